"""FiftyOne: a folder that `fo.types.FiftyOneVideoLabelsDataset` imports, zipped.

Layout: https://docs.voxel51.com/user_guide/import_datasets.html, FiftyOneVideoLabelsDataset; the
labels are ETA's VideoLabels. Frames count from 1, boxes are shares of the picture, masks fill their
box. If the clip is not at hand it has to be put into `data`.
"""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Iterator
from typing import IO, Any

import numpy as np

from service.formats.archive import archive
from service.formats.format import Format, Material
from service.formats.json_pieces import write_object
from service.formats.pixels import box_in, mask_in
from service.formats.timeline import Timeline
from service.understanding.schemas import Frame, Region, Understanding
from ssuformer.masks import Mask, bounding_box


def write(material: Material, out: IO[bytes]) -> None:
    """Write the archive, frame by frame."""
    answer, labels = material.answer, f"labels/{material.name}.json"
    timeline = Timeline(answer)
    with archive(out) as made:
        index = [{"data": f"data/{material.file_name}", "labels": labels}]
        manifest = {"type": "eta.core.datasets.LabeledVideoDataset", "description": ""}
        made.write_json("manifest.json", {**manifest, "index": index})
        with made.member(labels) as file:
            head = {"filename": material.file_name}
            write_object(file, {**head, "frames": _frames(answer, timeline)})
        if material.clip is not None:
            with made.member(f"data/{material.file_name}", packed=False) as file:
                material.copy_clip(file)


def _frames(answer: Understanding, timeline: Timeline) -> Iterator[tuple[str, dict[str, Any]]]:
    done = -1
    for frame in answer.frames:
        number = timeline.number(frame.time)
        if number > done:  # two in one frame of the clip: the first
            yield str(number + 1), _frame(number + 1, frame, answer)
            done = number


def _frame(number: int, frame: Frame, answer: Understanding) -> dict[str, Any]:
    objects = [_object(region, number, answer) for region in frame.regions]
    heard = [_attribute("heard", each.category, each.score) for each in frame.heard]
    return {
        "frame_number": number,
        "attrs": {"attrs": heard},
        "objects": {"objects": objects},
    }


def _object(region: Region, number: int, answer: Understanding) -> dict[str, Any]:
    x, y, width, height = box_in(region, answer)
    across, down = answer.clip.width, answer.clip.height
    mask = mask_in(region, answer)
    if mask is not None:
        x, y, width, height = bounding_box(mask)
    said = [_attribute("sentence", region.description)] if region.description else []
    found = {
        "label": region.category,
        "bounding_box": {
            "top_left": {"x": x / across, "y": y / down},
            "bottom_right": {"x": (x + width) / across, "y": (y + height) / down},
        },
        "confidence": region.score,
        "index": region.track,
        "frame_number": number,
        "attrs": {"attrs": said},
    }
    return found if mask is None else {**found, "mask": _packed(mask)}


def _attribute(name: str, value: str, confidence: float | None = None) -> dict[str, Any]:
    attribute = {"type": "eta.core.data.CategoricalAttribute", "name": name, "value": value}
    return attribute if confidence is None else {**attribute, "confidence": confidence}


def _packed(mask: Mask) -> str:
    """Return the part of a mask inside its box, as ETA packs arrays."""
    x, y, width, height = bounding_box(mask)
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(mask[y : y + height, x : x + width]))
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


FORMAT = Format(
    summary="a data set that FiftyOne imports, with the clip, zipped",
    media_type="application/vnd.ssu.fiftyone+zip",
    suffix=".fiftyone.zip",
    write=write,
)
