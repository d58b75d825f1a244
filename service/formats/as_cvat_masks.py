"""CVAT for video 1.1 with masks as they are: holes, parts and all, in each analysed frame.

Layout: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/. CVAT's tracks have no
masks: of one its importer takes the first only. So each mask is a track that ends after its frame,
as CVAT writes masks on films itself; those of one source have the same `group_id`. Runs are counted
row by row in the box around the mask, background first.
"""

from __future__ import annotations

from typing import IO

import numpy as np

from service.formats.categories import track_categories
from service.formats.cvat_pieces import task, write_sentence
from service.formats.format import Format, Material, Need
from service.formats.pixels import mask_in
from service.formats.timeline import Timeline
from service.formats.xml_pieces import XmlWriter
from service.understanding.schemas import Region
from ssuformer.masks import Mask, bounding_box


def write(material: Material, out: IO[bytes]) -> None:
    """Write the document, mask by mask, in pixels of what a player shows."""
    answer = material.answer
    timeline, categories = Timeline(answer), track_categories(answer)
    document, identity = XmlWriter(out), 0
    with task(document, material, timeline):
        for frame in answer.frames:
            number = timeline.number(frame.time)
            for region in frame.regions:
                mask = mask_in(region, answer)
                if mask is None or not mask.any():
                    continue
                track = {
                    "id": identity,
                    "label": categories[region.track],
                    "source": "auto",
                    "group_id": region.track,
                }
                with document.element("track", track):
                    _write_mask(document, region, mask, number, outside=False)
                    if number + 1 < timeline.frames:
                        _write_mask(document, region, mask, number + 1, outside=True)
                identity += 1


def _write_mask(
    document: XmlWriter, region: Region, mask: Mask, frame: int, *, outside: bool
) -> None:
    x, y, width, height = bounding_box(mask)
    place = {"left": x, "top": y, "width": width, "height": height}
    runs = ", ".join(map(str, _runs(mask[y : y + height, x : x + width])))
    common = {"frame": frame, "keyframe": 1, "outside": int(outside), "occluded": 0}
    with document.element("mask", {**common, "rle": runs, **place, "z_order": 0}):
        write_sentence(document, region)


def _runs(mask: Mask) -> list[int]:
    """Return the lengths of the runs of a mask [h w], row by row; the first is of background."""
    flat = mask.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate([[0], changes, [flat.size]])
    runs: list[int] = np.diff(ends).tolist()
    return [0, *runs] if flat[0] else runs


FORMAT = Format(
    summary="CVAT for video 1.1, the masks of each analysed frame with their holes",
    media_type="application/vnd.ssu.cvat-masks+xml",
    suffix=".cvat-masks.xml",
    write=write,
    needs=frozenset({Need.MASKS}),
)
