"""What is drawn over a film at any time: masks that glide, and the sentences of each interval."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from service.film.answer_masks import marks_of, mask_of, notices_of, unseen_of
from service.film.drawing import Layer, Mark, Size, burn_in, paint
from service.understanding.schemas import Frame, Region, Understanding
from ssuformer.between import Between

_FADE_SECONDS = 0.2
"""How long a source takes to come up and to go, within the time that the answer gives it."""
_CLOSE = 1e-6


class Layers:
    """The layers of an answer over a film of one size; only those of now are held.

    Masks take the shapes between those of two analysed frames, so that they glide.
    """

    def __init__(self, answer: Understanding, size: Size) -> None:
        self._answer, self._size = answer, size
        self._frames = answer.analysed
        self._step = answer.analysed_step
        self._starts = [frame.time - self._step / 2 for frame in self._frames]
        self._regions = [{one.track: one for one in frame.regions} for frame in self._frames]
        self._index = -1
        self._text: Layer | None = None
        self._masks: tuple[list[Mark], Layer] | None = None
        self._ways: dict[tuple[int, int], Between | None] = {}
        """Of the track, from the frame of this number to the next."""

    def at(self, time: float) -> list[Layer]:
        """Return the layers at a time of the film, the topmost last; the same while it is still."""
        index = bisect_right(self._starts, time + _CLOSE) - 1
        if index < 0 or time >= self._frames[index].time + self._step / 2:
            return []
        if index != self._index:
            self._index = index
            self._text = self._write(self._frames[index])
            self._ways = {key: way for key, way in self._ways.items() if key[0] >= index - 1}
        return [layer for layer in (self._paint(time), self._text) if layer is not None]

    def _write(self, frame: Frame) -> Layer | None:
        marks, unseen = marks_of(frame, self._answer.mask_size), unseen_of(frame)
        notices = notices_of(self._answer)
        if not (marks or unseen or notices):
            return None
        layer = Layer(self._size)
        burn_in(layer, marks, unseen=unseen, notices=notices)
        return layer

    def _paint(self, time: float) -> Layer | None:
        marks = [self._mark(region, time) for region in self._regions[self._index].values()]
        if not marks:
            return None
        if self._masks is None or not _same(self._masks[0], marks):
            self._masks = marks, paint(marks, self._size)
        return self._masks[1]

    def _mark(self, region: Region, time: float) -> Mark:
        """Return a region as it is at a time in the interval of its frame."""
        middle = self._frames[self._index].time
        first = self._index if time >= middle else self._index - 1
        way = self._way(first, region.track)
        mask = mask_of(region, self._answer.mask_size)
        if way is not None:
            start, end = (self._frames[number].time for number in (first, first + 1))
            mask = way.at((time - start) / (end - start))
        strength = self._strength(region.track, time - middle)
        return Mark(track=region.track, mask=mask, text="", strength=strength)

    def _strength(self, track: int, after: float) -> float:
        """Return how much of a track is shown so many seconds after the frame it is in."""
        neighbour = self._index + (1 if after >= 0 else -1)
        if not self._follows(min(neighbour, self._index)) or track in self._regions[neighbour]:
            return 1.0
        return min(1.0, (self._step / 2 - abs(after)) / _FADE_SECONDS)

    def _way(self, first: int, track: int) -> Between | None:
        """Return the shapes of a track from a frame to the next; None if it is not in both."""
        if not self._follows(first):
            return None
        key = first, track
        if key not in self._ways:
            ends = [self._regions[number].get(track) for number in (first, first + 1)]
            size = self._answer.mask_size
            masks = [mask_of(region, size) for region in ends if region is not None]
            self._ways[key] = Between.of(*masks) if len(masks) == 2 else None
        return self._ways[key]

    def _follows(self, first: int) -> bool:
        """Return whether there is such a frame, and the one that follows is the next one."""
        if not 0 <= first < len(self._frames) - 1:
            return False
        apart = self._frames[first + 1].time - self._frames[first].time
        return apart < 1.5 * self._step


def _same(some: Sequence[Mark], others: Sequence[Mark]) -> bool:
    """Return whether marks look the same."""
    return len(some) == len(others) and all(
        one.track == other.track
        and one.strength == other.strength
        and np.array_equal(one.mask, other.mask)
        for one, other in zip(some, others, strict=True)
    )
