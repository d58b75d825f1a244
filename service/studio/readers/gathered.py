"""What readers find in a document, gathered into tracks of a clip.

A document tells of frames, of intervals with sentences, or of both. Where it tells of frames only,
a track sounds in those in which it is listed: from the first of a run up to where the frame after
the last begins.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

import numpy as np
from pycocotools import mask as coco

from service.studio.answers import runs_of
from service.studio.layers import (
    MOST_HEARD,
    MOST_INTERVALS,
    ClipShape,
    FrameMask,
    HeardAlone,
    HeardSpan,
    LayerTrack,
    MaskRle,
    Provenance,
    Sounding,
    decoded,
    now_text,
)
from service.studio.words import as_line, is_line
from ssuformer import outlines
from ssuformer.errors import EditInvalid, ImportInvalid
from ssuformer.masks import Mask, decode_rle, encode_rle

_CLOSE = 1e-6
_MOST_TRACKS = 1000
_NUMBER = re.compile(r"\d{1,9}$")
_MOST_CORNERS = 100_000

Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class Target:
    """The clip that a document is about."""

    shape: ClipShape
    fps: float
    """Annotation frames a second."""
    rate: float
    """Frames a second of the film, which some tools count."""

    def nearest(self, time: float) -> int:
        """Return the annotation frame that is nearest to a time."""
        return min(self.shape.frames - 1, max(0, round(time * self.fps)))

    def film_frame(self, frame: int) -> int:
        """Return the frame of the film, from 0, that is shown at an annotation frame."""
        return int(frame / self.fps * self.rate + _CLOSE)


@dataclass(slots=True)
class _Thing:
    category: str
    masks: dict[int, MaskRle] = field(default_factory=dict)
    sounds: dict[int, str | None] = field(default_factory=dict)
    """What is said of it in each frame in which it sounds."""
    said: list[tuple[float, float, str | None]] = field(default_factory=list)


class Gathered:
    """Collects what one document tells of one clip; `where` names it in errors.

    Once `stopped` is set nobody waits for it any more, and whatever is put in raises ImportInvalid.
    """

    def __init__(self, target: Target, where: str, stopped: Event | None = None) -> None:
        self.target = target
        self.where = where
        self._stopped = stopped or Event()
        self._things: dict[str, _Thing] = {}
        self._heard: dict[str, list[tuple[float, float]]] = {}
        self.masks = False
        """Whether there has been any mask."""

    def wrong(self, place: str, what: str) -> ImportInvalid:
        """Return the error that says what is wrong where."""
        return ImportInvalid(f"{self.where}: {place}: {what}")

    def see(
        self,
        key: object,
        category: object,
        frame: int,
        mask: Mask | MaskRle | None,
        *,
        place: str,
        sounding: bool = True,
        sentence: object = None,
    ) -> None:
        """Put a mask of a thing in an annotation frame; ImportInvalid if it does not fit."""
        thing = self._thing(key, category, place)
        if not 0 <= frame < self.target.shape.frames:
            raise self.wrong(place, f"the clip has no annotation frame {frame}")
        if mask is not None:
            rle = self._checked(mask, place)
            if rle is not None:
                thing.masks[frame] = rle
                self.masks = True
        if sounding:
            thing.sounds[frame] = self.text(sentence, place, thing.category)

    def say(
        self,
        key: object,
        category: object,
        start: float,
        end: float,
        text: object,
        *,
        place: str,
        join: bool = False,
    ) -> None:
        """Put an interval in which a thing sounds, with what is said of it.

        With `join` it goes on with the one before, if that ends here and the same is said.
        """
        thing = self._thing(key, category, place)
        start, end = self.span(start, end, place)
        if end <= start:
            return
        said = self.text(text, place, thing.category)
        if join and thing.said and thing.said[-1][1:] == (start, said):
            start = thing.said.pop()[0]
        thing.said.append((start, end, said))

    def hear(self, category: object, start: float, end: float, *, place: str) -> None:
        """Put a time in which something is heard and not seen."""
        name = self.name(category, place)
        start, end = self.span(start, end, place)
        if end > start:
            self._heard.setdefault(name, []).append((start, end))

    def span(self, start: float, end: float, place: str) -> tuple[float, float]:
        """Return a time cut to the clip; ImportInvalid for what is no time."""
        numbers = isinstance(start, int | float) and isinstance(end, int | float)
        if not numbers or not math.isfinite(start) or not math.isfinite(end) or start > end:
            raise self.wrong(place, f"{start!r} to {end!r} is no time")
        last = self.target.shape.duration
        return round(min(max(0.0, start), last), 3), round(min(max(0.0, end), last), 3)

    def name(self, category: object, place: str) -> str:
        """Return the name of a category, if it is one."""
        if self._stopped.is_set():
            raise self.wrong(place, "nobody waits for the import any more")
        if not isinstance(category, str) or not 0 < len(category) <= 80:
            raise self.wrong(place, f"{str(category)[:80]!r} is no name of a category")
        if not is_line(category):
            raise self.wrong(place, "the category has a control character")
        return category

    def text(self, sentence: object, place: str, category: str) -> str | None:
        """Return a sentence; None if it is missing, or only repeats the category."""
        if sentence is None:
            return None
        if not isinstance(sentence, str) or len(sentence) > 500:
            raise self.wrong(place, "the sentence is no text of at most 500 letters")
        line = as_line(sentence)
        return None if line in ("", category) else line

    def tracks(self, who: str) -> list[LayerTrack]:
        """Return all tracks: by their numbers if all have one, else as they were found."""
        by = Provenance(who=who, tool="import", at=now_text())
        instances: dict[str, int] = {}
        found = []
        for number, thing in enumerate(self._ordered(), start=1):
            instances[thing.category] = instances.get(thing.category, 0) + 1
            masks = [
                FrameMask(frame=frame, mask=thing.masks[frame], by=by)
                for frame in sorted(thing.masks)
            ]
            found.append(
                LayerTrack(
                    id=f"t{number}",
                    category=thing.category,
                    instance=instances[thing.category],
                    masks=masks,
                    intervals=self._intervals(thing, by),
                )
            )
        return found

    def _ordered(self) -> list[_Thing]:
        numbers = {key: int(found[0]) for key in self._things if (found := _NUMBER.search(key))}
        if len(set(numbers.values())) < len(self._things):
            return list(self._things.values())
        return [self._things[key] for key in sorted(numbers, key=lambda key: numbers[key])]

    def heard(self, who: str) -> list[HeardAlone]:
        """Return what is heard and not seen."""
        by = Provenance(who=who, tool="import", at=now_text())
        self._check_count(len(self._heard), MOST_HEARD, "categories that are heard", "it")
        found = []
        for name, spans in sorted(self._heard.items()):
            whole = joined(spans)
            self._check_count(len(whole), MOST_INTERVALS, "intervals", f"heard {name!r}")
            intervals = [HeardSpan(start=start, end=end, by=by) for start, end in whole]
            found.append(HeardAlone(category=name, intervals=intervals))
        return found

    def _intervals(self, thing: _Thing, by: Provenance) -> list[Sounding]:
        spans = sorted(thing.said, key=lambda one: one[:2])
        if not spans:
            spans = list(self._of_frames(thing.sounds))
        self._check_count(len(spans), MOST_INTERVALS, "intervals", f"track {thing.category!r}")
        found: list[Sounding] = []
        for start, end, text in spans:
            start = max(start, found[-1].end) if found else start
            if end > start:
                found.append(Sounding(start=start, end=end, sentence=text, by=by))
        return found

    def _check_count(self, count: int, most: int, what: str, place: str) -> None:
        if count > most:
            wrong = self.wrong(place, f"there are {count} {what}, the limit is {most}")
            wrong.limit, wrong.actual = most, count
            raise wrong

    def _of_frames(self, sounds: dict[int, str | None]) -> list[tuple[float, float, str | None]]:
        fps, last = self.target.fps, self.target.shape.duration
        found: list[tuple[float, float, str | None]] = []
        for first, after in runs_of(sorted(sounds)):
            begin = first
            for frame in range(first, after + 1):
                ends = frame == after or sounds[frame + 1] != sounds[begin]
                if ends:
                    start, end = round(begin / fps, 3), round(min((frame + 1) / fps, last), 3)
                    found.append((start, end, sounds[begin]))
                    begin = frame + 1
        return found

    def _thing(self, key: object, category: object, place: str) -> _Thing:
        name = self.name(category, place)
        known = str(key)[:200]
        if known not in self._things:
            if len(self._things) >= _MOST_TRACKS:
                raise self.wrong(place, f"there are more than {_MOST_TRACKS} tracks")
            self._things[known] = _Thing(name)
        return self._things[known]

    def _checked(self, mask: Mask | MaskRle, place: str) -> MaskRle | None:
        """Return a mask as run-lengths; None if it is empty."""
        shape = self.target.shape
        if isinstance(mask, MaskRle):
            try:
                return mask if decoded(mask, shape).any() else None
            except EditInvalid as error:
                raise self.wrong(place, error.message) from error
        if mask.shape != (shape.height, shape.width):
            raise self.wrong(place, "the mask has another size than the clip")
        if not mask.any():
            return None
        return MaskRle(size=(shape.height, shape.width), counts=encode_rle(mask)["counts"])


def joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return times in order; those that touch are one."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1] + 1e-3:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


def box_mask(
    box: tuple[float, float, float, float], shape: ClipShape, wrong: Callable[[str], ImportInvalid]
) -> Mask:
    """Return a box (x, y, width, height), filled; ImportInvalid if it is none."""
    if not all(isinstance(side, int | float) and math.isfinite(side) for side in box):
        raise wrong("the box is no four numbers")
    x, y, width, height = box
    mask = np.zeros((shape.height, shape.width), bool)
    left, top = max(0, round(x)), max(0, round(y))
    mask[top : max(0, round(y + height)), left : max(0, round(x + width))] = True
    return mask


def rings_mask(
    rings: Sequence[Sequence[float]], shape: ClipShape, wrong: Callable[[str], ImportInvalid]
) -> Mask:
    """Return what rings `[x0, y0, x1, y1, ...]` enclose; ImportInvalid if they are none."""
    corners = [value for ring in rings for value in ring]
    if len(corners) > _MOST_CORNERS or any(len(ring) < 6 or len(ring) % 2 for ring in rings):
        raise wrong(f"a polygon has 3 to {_MOST_CORNERS // 2} corners")
    limit = 4.0 * max(shape.height, shape.width)
    for value in corners:
        if not isinstance(value, int | float) or not -limit <= value <= limit:
            raise wrong(f"{value!r} is no place on the picture")
    if all(map(_along_pixels, rings)):
        inside = [[_within(v, i, shape) for i, v in enumerate(ring)] for ring in rings]
        return outlines.fill(inside, (shape.height, shape.width))
    drawn = coco.frPyObjects([list(map(float, r)) for r in rings], shape.height, shape.width)
    merged = coco.merge(drawn)
    return decode_rle({"size": merged["size"], "counts": merged["counts"].decode()})


def _along_pixels(ring: Sequence[float]) -> bool:
    """Return whether a ring goes along the sides of pixels only."""
    if any(value != round(value) for value in ring):
        return False
    corners = [*zip(ring[::2], ring[1::2], strict=True)]
    sides = zip(corners, [*corners[1:], corners[0]], strict=True)
    return all(one[0] == other[0] or one[1] == other[1] for one, other in sides)


def _within(value: float, number: int, shape: ClipShape) -> int:
    return min(max(0, round(value)), shape.height if number % 2 else shape.width)


Reader = Callable[[bytes, Gathered], None]
"""Reads a document into what is gathered; raises ImportInvalid."""


def sampled(keys: Mapping[int, Shown | None], target: Target) -> Iterator[tuple[int, Shown]]:
    """Yield what is shown in each annotation frame in which there is something.

    `keys` are frames of the film, from 0; what is shown there holds until the next, None ends it.
    """
    order = sorted(keys)
    for frame in range(target.shape.frames):
        place = bisect_right(order, target.film_frame(frame))
        shown = keys[order[place - 1]] if place else None
        if shown is not None:
            yield frame, shown
