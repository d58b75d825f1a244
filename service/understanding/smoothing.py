"""Frames between those that were analysed, so that what is drawn from an answer glides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Self

from service.understanding.schemas import Frame, Region
from ssuformer.between import Between
from ssuformer.clip import MOST_FPS
from ssuformer.masks import bounding_box

_USUAL_RATE = 25.0
"""Of clips that do not state theirs."""
_CLOSE = 1e-6
_HALF = 0.5 - _CLOSE


class Smoother:
    """Puts frames between those of one answer, window after window; holds the last one only."""

    def __init__(self, *, step: float, parts: int, most: int) -> None:
        """Cut the time between two analysed frames into `parts`, for at most so many frames."""
        self._step = step
        self._parts = parts
        self._left = most
        self._before: Frame | None = None

    @classmethod
    def of(cls, *, fps: float, film_fps: float | None, seconds: float, most: int) -> Self:
        """Return one for an analysis at `fps` of so many seconds of a film.

        It adds as many frames as the film has, if they are no more than 30 a second and `most` in
        all; otherwise fewer.
        """
        wanted = round(min(film_fps or _USUAL_RATE, MOST_FPS) / fps)
        room = int(most / max(1.0, seconds * fps))
        return cls(step=1 / fps, parts=max(1, min(wanted, room)), most=most)

    def saved(self) -> dict[str, Any]:
        """Return what the next part of a clip goes on with, as JSON."""
        before = None if self._before is None else self._before.model_dump(mode="json")
        return {"parts": self._parts, "left": self._left, "before": before}

    def resume(self, saved: dict[str, Any]) -> None:
        """Go on with what another one has saved."""
        self._parts, self._left = saved["parts"], saved["left"]
        before = saved["before"]
        self._before = None if before is None else Frame.model_validate(before)

    @property
    def fps(self) -> float:
        """Frames per second of the answer."""
        return self._parts / self._step

    def add(self, frames: Sequence[Frame]) -> list[Frame]:
        """Return the next analysed frames with those before and between them."""
        found = [one for frame in frames for one in self._until(frame)]
        self._left -= len(found)
        return found

    def end(self, duration: float) -> list[Frame]:
        """Return the frames after the last one, as far as the clip lasts."""
        if self._before is None:
            return []
        return [one for one in self._after(self._before) if one.time < duration - _CLOSE]

    def _until(self, frame: Frame) -> Iterator[Frame]:
        before, self._before = self._before, frame
        if self._left <= 0:  # the film lasts longer than it says
            pass
        elif before is None:
            yield from self._ahead(frame)
        elif frame.time - before.time > 1.5 * self._step:  # some are missing
            yield from self._after(before)
            yield from self._ahead(frame)
        else:
            yield from self._between(before, frame)
        yield frame

    def _between(self, before: Frame, after: Frame) -> Iterator[Frame]:
        pairs = Pair.of(before, after)
        for number in range(1, self._parts):
            share = number / self._parts
            regions = (pair.at(share) for pair in pairs)
            yield Frame(
                time=round(before.time + share * (after.time - before.time), 3),
                regions=[region for region in regions if region is not None],
                heard=(before if share < _HALF else after).heard,
                between=True,
            )

    def _ahead(self, frame: Frame) -> Iterator[Frame]:
        """Yield a frame again in the half step before it, for which it stands."""
        for number in range(self._parts // 2, 0, -1):
            time = frame.time - number / self.fps
            if time > -_CLOSE:
                yield _again(frame, max(0.0, time))

    def _after(self, frame: Frame) -> Iterator[Frame]:
        for number in range(1, (self._parts + 1) // 2):
            yield _again(frame, frame.time + number / self.fps)


def _again(frame: Frame, time: float) -> Frame:
    return frame.model_copy(update={"time": round(time, 3), "between": True})


class Pair:
    """A track in two analysed frames that follow each other; it may be in one of them only."""

    def __init__(self, one: Region | None, other: Region | None) -> None:
        self._one, self._other = one, other

    @classmethod
    def of(cls, before: Frame, after: Frame) -> list[Pair]:
        """Return the tracks of two frames, in their order."""
        one = {region.track: region for region in before.regions}
        other = {region.track: region for region in after.regions}
        return [cls(one.get(track), other.get(track)) for track in sorted({*one, *other})]

    def at(self, share: float) -> Region | None:
        """Return its region at a share of the way; None where it does not sound.

        What is in one frame only is as it is there, in the half of the way for which that stands.
        """
        nearer = self._one if share < _HALF else self._other
        if self._one is None or self._other is None or nearer is None:
            return nearer
        score = round(_blend(self._one.score, self._other.score, share), 4)
        place = _place(self._one, self._other, self._shapes, share)
        return nearer.model_copy(update={"score": score, **place})

    @cached_property
    def _shapes(self) -> Between | None:
        """The shapes between its masks; None without masks, or if they are of two places."""
        one, other = (None if one is None else one.mask for one in (self._one, self._other))
        if one is None or other is None:
            return None
        return Between.of(one.to_mask(), other.to_mask())


def _place(one: Region, other: Region, shapes: Between | None, share: float) -> dict[str, object]:
    """Return box, area and mask at a share of the way; nothing if there is no way."""
    if one.mask is None:
        sides = zip(one.bbox, other.bbox, strict=True)
        box = tuple(round(_blend(a, b, share)) for a, b in sides)
        return {"bbox": box, "area": round(_blend(one.area, other.area, share))}
    if shapes is None:
        return {}
    mask = shapes.at(share)
    written = type(one.mask).of(mask)
    return {"bbox": bounding_box(mask), "area": int(mask.sum()), "mask": written}


def _blend(one: float, other: float, share: float) -> float:
    return (1 - share) * one + share * other
