"""Convert the engine's regions to the answer: pixels, boxes, sentences, tracks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from service.understanding.mask_formats import MaskFormat, write_mask
from service.understanding.schemas import (
    Heard,
    Interval,
    Region,
    Sentence,
    Track,
)
from ssuformer import masks
from ssuformer.regions import Detection
from ssuformer.sentences import SOMETHING, Wording

AnyInterval = TypeVar("AnyInterval", bound=Interval)


def render(
    found: Detection,
    *,
    track: int,
    category: str,
    description: str | None,
    size: tuple[int, int],
    threshold: float,
    mask_format: MaskFormat,
) -> Region | None:
    """Return a region in pixels of `size` (height, width); None if its mask is empty."""
    mask = masks.enlarge(found.probability, size=size, threshold=threshold)
    area = int(mask.sum())
    if area == 0:
        return None
    return Region(
        track=track,
        score=round(found.score, 4),
        category=category,
        bbox=masks.bounding_box(mask),
        area=area,
        mask=write_mask(mask, mask_format),
        description=description,
    )


def render_heard(
    found: Sequence[tuple[int, float]],
    *,
    categories: Sequence[str],
    tracks: Mapping[int, int],
    seen: Collection[int],
    wording: Wording | None,
) -> list[Heard]:
    """Return what is heard in a frame.

    `tracks` are those of the categories that are shown, `seen` all categories with a region;
    without `wording` nothing is described.
    """
    return [
        Heard(
            category=categories[category],
            score=round(score, 4),
            region=tracks.get(category),
            description=None
            if wording is None or category in seen
            else wording.out_of_sight(category),
        )
        for category, score in found
    ]


class TrackLog:
    """Collects the intervals and sentences of each source, frame by frame.

    A source that could be named in any frame has that name.
    """

    def __init__(self, *, step: float) -> None:
        """Each frame covers `step` seconds of the clip, centred on its time."""
        self._step = step
        self._categories: dict[int, str] = {}
        self._intervals: dict[int, list[Interval]] = {}
        self._sentences: dict[int, list[Sentence]] = {}

    def saved(self) -> dict[str, Any]:
        """Return what has been collected, as JSON."""
        return {
            "categories": list(self._categories.items()),
            "intervals": [
                (number, [(one.start, one.end) for one in found])
                for number, found in self._intervals.items()
            ],
            "sentences": [
                (number, [(one.start, one.end, one.text) for one in said])
                for number, said in self._sentences.items()
            ],
        }

    def resume(self, saved: dict[str, Any]) -> None:
        """Go on with what another one has saved."""
        self._categories = dict(saved["categories"])
        self._intervals = {
            number: [Interval(start=start, end=end) for start, end in found]
            for number, found in saved["intervals"]
        }
        self._sentences = {
            number: [Sentence(start=start, end=end, text=text) for start, end, text in said]
            for number, said in saved["sentences"]
        }

    def add(self, time: float, regions: Sequence[Region]) -> None:
        """Add the regions of the next frame."""
        start, end = max(0.0, time - self._step / 2), time + self._step / 2
        for region in regions:
            if self._categories.get(region.track, SOMETHING) == SOMETHING:
                self._categories[region.track] = region.category
            intervals = self._intervals.setdefault(region.track, [])
            if intervals and self._adjoins(intervals[-1], start):
                intervals[-1] = Interval(start=intervals[-1].start, end=end)
            else:
                intervals.append(Interval(start=start, end=end))
            if region.description:
                self._say(region.track, region.description, start, end)

    def tracks(self, *, duration: float) -> list[Track]:
        """Return all tracks in order of first appearance."""
        return [
            Track(
                id=number,
                category=category,
                intervals=[_until(interval, duration) for interval in self._intervals[number]],
                sentences=[_until(said, duration) for said in self._sentences.get(number, [])],
            )
            for number, category in self._categories.items()
        ]

    def _say(self, track: int, text: str, start: float, end: float) -> None:
        said = self._sentences.setdefault(track, [])
        if said and said[-1].text == text and self._adjoins(said[-1], start):
            said[-1] = Sentence(start=said[-1].start, end=end, text=text)
        else:
            said.append(Sentence(start=start, end=end, text=text))

    def _adjoins(self, before: Interval, start: float) -> bool:
        return start - before.end < self._step / 2


def _until(interval: AnyInterval, duration: float) -> AnyInterval:
    cut = {
        "start": round(interval.start, 3),
        "end": round(min(interval.end, max(duration, interval.start)), 3),
    }
    return interval.model_copy(update=cut)
