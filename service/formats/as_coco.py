"""COCO's instances: an image for each frame, an annotation for each region.

Layout: https://cocodataset.org/#format-data. Beyond it, images have `time` (seconds), annotations
`track_id`, `score` and `caption`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

from service.formats.categories import category_numbers
from service.formats.format import Format, Material
from service.formats.json_pieces import write_object
from service.formats.pixels import area_in, box_in, rle_in
from service.understanding.schemas import Region, Understanding


def write(material: Material, out: IO[bytes]) -> None:
    """Write the document; boxes and masks are in pixels of what a player shows."""
    answer = material.answer
    numbers = category_numbers(answer)
    model = answer.model
    write_object(
        out,
        {
            "info": {
                "description": material.name,
                "version": model.version,
                "contributor": model.name,
            },
            "licenses": [],
            "categories": [
                {"id": number, "name": name, "supercategory": ""}
                for name, number in numbers.items()
            ],
            "images": _images(material),
            "annotations": _annotations(answer, numbers),
        },
    )


def _images(material: Material) -> Iterator[dict[str, Any]]:
    clip = material.answer.clip
    for number, frame in enumerate(material.answer.frames):
        yield {
            "id": number + 1,
            "file_name": f"{material.name}/{number:05}.jpg",
            "width": clip.width,
            "height": clip.height,
            "time": frame.time,
        }


def _annotations(answer: Understanding, numbers: dict[str, int]) -> Iterator[dict[str, Any]]:
    identity = 0
    for image, frame in enumerate(answer.frames, start=1):
        for region in frame.regions:
            identity += 1
            yield {
                "id": identity,
                "image_id": image,
                "category_id": numbers[region.category],
                "iscrowd": 0,
                **_shape(region, answer),
                "track_id": region.track,
                "score": region.score,
                "caption": region.description,
            }


def _shape(region: Region, answer: Understanding) -> dict[str, Any]:
    """Return box and area, and the mask if the answer has masks."""
    shape = {"bbox": box_in(region, answer), "area": area_in(region, answer)}
    rle = rle_in(region, answer)
    return shape if rle is None else {**shape, "segmentation": rle}


FORMAT = Format(
    summary="COCO's instances, an image for each frame",
    media_type="application/vnd.ssu.coco+json",
    suffix=".coco.json",
    write=write,
    piecewise=True,
)
