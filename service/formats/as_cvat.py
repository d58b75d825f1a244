"""CVAT for video 1.1: a track for each source, with a key frame for each analysed frame.

Layout: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/. CVAT's tracks are single
rings, so a shape is the outline of the largest part of its mask, holes filled; or the box if the
answer has no masks. `cvat-masks` has the masks as they are. The sentence is a mutable attribute
`sentence` of each shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import IO

from service.formats.cvat_pieces import task, write_sentence
from service.formats.format import Format, Material
from service.formats.pixels import box_in, mask_in
from service.formats.timeline import Key, Run, Timeline
from service.formats.xml_pieces import XmlWriter
from service.understanding.schemas import Region, Understanding
from ssuformer.outlines import outlines


def write(material: Material, out: IO[bytes]) -> None:
    """Write the document, shape by shape, in pixels of what a player shows."""
    answer = material.answer
    timeline = Timeline(answer)
    document = XmlWriter(out)
    with task(document, material, timeline):
        for identity, (_, runs) in enumerate(groupby(timeline.runs(), lambda run: run.track)):
            _write_track(document, identity, list(runs), answer, timeline.frames)


def _write_track(
    document: XmlWriter, identity: int, runs: list[Run], answer: Understanding, frames: int
) -> None:
    track = {"id": identity, "label": runs[0].category, "source": "auto", "group_id": runs[0].track}
    with document.element("track", track):
        for run, following in zip(runs, [*runs[1:], None], strict=True):
            for key in run.keys:
                _write_shape(document, key, answer, outside=False)
            # No two shapes of a track may be in one frame, and none after the last.
            after = frames if following is None else following.keys[0].frame
            if run.end < after:
                _write_shape(document, Key(run.end, run.keys[-1].region), answer, outside=True)


def _write_shape(document: XmlWriter, key: Key, answer: Understanding, *, outside: bool) -> None:
    common = {"frame": key.frame, "keyframe": 1, "outside": int(outside), "occluded": 0}
    ring = _largest_ring(key.region, answer)
    if ring is None:
        x, y, width, height = box_in(key.region, answer)
        shape = {"xtl": x, "ytl": y, "xbr": x + width, "ybr": y + height}
        name, place = "box", {side: f"{value:.2f}" for side, value in shape.items()}
    else:
        points = (f"{x:.2f},{y:.2f}" for x, y in ring)
        name, place = "polygon", {"points": ";".join(points)}
    with document.element(name, {**common, **place, "z_order": 0}):
        write_sentence(document, key.region)


def _largest_ring(region: Region, answer: Understanding) -> list[tuple[int, int]] | None:
    """Return the corners of the ring that encloses most; None if there is no mask."""
    mask = mask_in(region, answer)
    if mask is None:
        return None
    rings = ([*zip(ring[::2], ring[1::2], strict=True)] for ring in outlines(mask))
    return max(rings, key=_enclosed, default=None)


def _enclosed(ring: Iterable[tuple[int, int]]) -> float:
    corners = list(ring)
    pairs = zip(corners, [*corners[1:], corners[0]], strict=True)
    return abs(sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs)) / 2


FORMAT = Format(
    summary="CVAT for video 1.1, a track of polygons for each source",
    media_type="application/vnd.ssu.cvat+xml",
    suffix=".cvat.xml",
    write=write,
)
