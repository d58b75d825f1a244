"""YouTube-VIS: one video, an annotation for each track with a mask or null for every frame.

Layout: https://youtube-vos.org/dataset/vis. Beyond it, annotations have `scores` and `captions`,
one for every frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import IO, Any

from service.formats.categories import category_numbers, track_categories
from service.formats.format import Format, Material, Need
from service.formats.json_pieces import write_object
from service.formats.pixels import area_in, box_in, rle_in
from service.understanding.schemas import Region, Understanding


def write(material: Material, out: IO[bytes]) -> None:
    """Write the document, track by track, in pixels of what a player shows."""
    answer = material.answer
    numbers = category_numbers(answer)
    clip, count = answer.clip, len(answer.frames)
    video = {
        "id": 1,
        "width": clip.width,
        "height": clip.height,
        "length": count,
        "file_names": [f"{material.name}/{number:05}.jpg" for number in range(count)],
    }
    write_object(
        out,
        {
            "info": {"description": material.name, "version": answer.model.version},
            "licenses": [],
            "videos": [video],
            "categories": [
                {"id": number, "name": name, "supercategory": ""}
                for name, number in numbers.items()
            ],
            "annotations": _annotations(answer, numbers),
        },
    )


def _annotations(answer: Understanding, numbers: dict[str, int]) -> Iterator[dict[str, Any]]:
    for track, category in track_categories(answer).items():
        here = [_region_of(track, frame.regions) for frame in answer.frames]

        def each(value: Callable[[Region], object], here: list[Region | None] = here) -> list[Any]:
            return [None if region is None else value(region) for region in here]

        yield {
            "id": track,
            "video_id": 1,
            "category_id": numbers[category],
            "iscrowd": 0,
            "width": answer.clip.width,
            "height": answer.clip.height,
            "length": len(here),
            "segmentations": each(lambda region: rle_in(region, answer)),
            "bboxes": each(lambda region: box_in(region, answer)),
            "areas": each(lambda region: area_in(region, answer)),
            "scores": each(lambda region: region.score),
            "captions": each(lambda region: region.description),
        }


def _region_of(track: int, regions: list[Region]) -> Region | None:
    return next((region for region in regions if region.track == track), None)


FORMAT = Format(
    summary="YouTube-VIS, a sequence of masks for each track",
    media_type="application/vnd.ssu.youtube-vis+json",
    suffix=".ytvis.json",
    write=write,
    needs=frozenset({Need.MASKS}),
)
