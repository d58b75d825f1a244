"""The RA-SSU layout that training reads (`training/data/README.md`), with the clip, zipped.

A second has the regions of the analysed frame that is nearest to its middle. Seconds outside the
part that was analysed are `unlabelled`. What is heard and not seen is among `unseen`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import IO, Any

from service.formats.archive import archive
from service.formats.categories import track_categories
from service.formats.format import Format, Material, Need
from service.formats.json_pieces import write_object
from service.formats.pixels import rle_in
from service.understanding.schemas import Frame, Region, Understanding
from ssuformer.sentences import SOMETHING

_SPLIT = "answers"


def write(material: Material, out: IO[bytes]) -> None:
    """Write the archive, track by track."""
    answer, truth = material.answer, f"clips/{material.name}.truth.json"
    seconds = _frames_of_seconds(answer)
    unseen = _unseen(seconds)
    info = {
        "format": 1,
        "name": material.name,
        "version": answer.model.version,
        "about": f"answers of {answer.model.name}, not ground truth",
        "licence": "",
        "categories": _categories(answer, unseen),
    }
    with archive(out) as made:
        made.write_json("data.json", info)
        made.write_json("clips.jsonl", {"truth": truth, "split": _SPLIT})
        with made.member(truth) as file:
            write_object(
                file,
                {
                    "film": material.file_name,
                    "height": answer.clip.height,
                    "width": answer.clip.width,
                    "seconds": len(seconds),
                    "unlabelled": [i for i, frame in enumerate(seconds) if frame is None],
                    "unseen": unseen,
                    "sources": _sources(answer, seconds),
                },
            )
        with made.member(f"clips/{material.file_name}", packed=False) as file:
            material.copy_clip(file)


def _frames_of_seconds(answer: Understanding) -> list[Frame | None]:
    """Return the analysed frame nearest to the middle of each second, None where there is none."""
    seconds: dict[int, Frame] = {}
    for frame in answer.analysed:
        second = math.floor(frame.time)
        before = seconds.get(second)
        if before is None or _off_centre(frame.time) < _off_centre(before.time):
            seconds[second] = frame
    return [seconds.get(second) for second in range(max(seconds, default=0) + 1)]


def _off_centre(time: float) -> float:
    return abs(time - math.floor(time) - 0.5)


def _sources(answer: Understanding, frames: list[Frame | None]) -> Iterator[dict[str, Any]]:
    for track, category in track_categories(answer).items():
        found = [
            _second(second, region, answer)
            for second, frame in enumerate(frames)
            for region in (frame.regions if frame else ())
            if region.track == track
        ]
        if found:
            yield {"category": category, "seconds": found}


def _second(second: int, region: Region, answer: Understanding) -> dict[str, Any]:
    return {
        "second": second,
        "sounding": True,
        "mask": rle_in(region, answer),
        "sentence": region.description or region.category,
    }


def _unseen(frames: list[Frame | None]) -> list[dict[str, Any]]:
    heard = [
        {each.category for each in frame.heard if each.region is None} if frame else set()
        for frame in frames
    ]
    return [
        {"category": category, "sounding": [category in second for second in heard]}
        for category in sorted(set().union(*heard))
    ]


def _categories(answer: Understanding, unseen: list[dict[str, Any]]) -> list[str]:
    names = {*track_categories(answer).values(), *(each["category"] for each in unseen)}
    return sorted(names) or [SOMETHING]


FORMAT = Format(
    summary="the layout of training data, with the clip, zipped",
    media_type="application/vnd.ssu.ra-ssu+zip",
    suffix=".ra-ssu.zip",
    write=write,
    needs=frozenset({Need.MASKS, Need.CLIP}),
)
