"""The answer in frames of the clip's own rate, for tools that count those.

The service analyses a few frames a second, each for the span around it; annotation tools count all
frames of a film, from 0. In a clip of varying rate the numbers are those of its average rate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.formats.categories import track_categories
from service.understanding.schemas import Region, Understanding

_CLOSE = 1e-6


@dataclass(frozen=True, slots=True)
class Key:
    """A region in one frame of the clip."""

    frame: int
    region: Region


@dataclass(frozen=True, slots=True)
class Run:
    """A track over frames of the part that was asked for, in which it sounds without a break."""

    track: int
    category: str
    end: int
    """The first frame after it."""
    keys: tuple[Key, ...]
    """One for each frame of the answer, rising; the first is where the run begins."""


class Timeline:
    """The frames of a clip: their number, their rate, and the runs of each track."""

    def __init__(self, answer: Understanding) -> None:
        self._answer = answer
        self.rate = answer.clip.fps or 1 / answer.step
        """Frames a second."""
        last = max((frame.time for frame in answer.frames), default=0.0)
        whole = round(answer.clip.duration * self.rate)
        self.frames = max(1, whole, int(last * self.rate + _CLOSE) + 1)
        """Number of frames of the clip."""

    def number(self, time: float) -> int:
        """Return the frame that is shown at a time in seconds, from 0."""
        return min(self.frames - 1, max(0, int(time * self.rate + _CLOSE)))

    def runs(self) -> Iterator[Run]:
        """Yield the runs, track by track."""
        for track, category in track_categories(self._answer).items():
            keys: list[tuple[float, Region]] = []
            for time, region in self._regions(track):
                if keys and time - keys[-1][0] > 1.5 * self._answer.step:
                    yield self._run(track, category, keys)
                    keys = []
                keys.append((time, region))
            if keys:
                yield self._run(track, category, keys)

    def _regions(self, track: int) -> Iterator[tuple[float, Region]]:
        for frame in self._answer.frames:
            for region in frame.regions:
                if region.track == track:
                    yield frame.time, region

    def _run(self, track: int, category: str, keys: list[tuple[float, Region]]) -> Run:
        half = 0.5 * self._answer.step
        numbered = {self.number(time): region for time, region in keys}
        first = self.number(max(self._answer.start, keys[0][0] - half))
        numbered.setdefault(first, keys[0][1])
        last = max(numbered)
        end = min(self._answer.until, keys[-1][0] + half)
        after = min(self.frames, max(last + 1, int(end * self.rate + _CLOSE)))
        return Run(track, category, after, tuple(Key(n, numbered[n]) for n in sorted(numbered)))
