"""What a clip will cost, guessed before it is opened: seconds of a worker."""

from __future__ import annotations

from service.admission import Estimate
from service.settings import Settings
from service.telemetry.stages import StageClock
from service.understanding.options import Options

_USUAL_RATE = 25.0
"""Frames per second of a film, and of an answer with those between."""


class Costs:
    """Guesses by size and options, and learns from the clips that were answered.

    Only a decoding process may look into a clip, so its length is a guess until it has one: the
    size over the usual bytes a second, or less if less is asked for. Decoding and drawing take
    their share of every second of the clip; segmentation and captions of every frame that is
    analysed, smoothing of every one between.
    """

    def __init__(self, settings: Settings) -> None:
        self._longest = settings.max_seconds
        self._bytes_per_second = Estimate(200_000.0)
        self._decoding = Estimate(0.04)
        self._frame = Estimate(0.03)
        self._fps = Estimate(1.0)
        self._between = Estimate(0.002)
        self._drawing = Estimate(0.25)

    def guess(self, size: int, options: Options, *, drawn: bool = False) -> float:
        """Return the seconds that a clip of this size will probably take, and be drawn in."""
        length = min(self._longest, size / self._bytes_per_second.value)
        end = length if options.end is None else min(length, options.end)
        asked = max(0.0, end - options.start)
        fps = options.fps or self._fps.value
        seconds = asked * self._decoding.value + max(1.0, asked * fps) * self._frame.value
        if options.smooth:
            seconds += asked * max(0.0, _USUAL_RATE - fps) * self._between.value
        return seconds + (self.guess_drawing(asked) if drawn else 0.0)

    def guess_drawing(self, length: float) -> float:
        """Return the seconds that so many seconds of a film will probably take to be drawn on."""
        return length * self._drawing.value

    def learn_drawing(self, length: float, spent: float) -> None:
        """Learn that so many seconds of a film were drawn on in the time that was spent."""
        if length > 0:
            self._drawing.add(spent / length)

    def learn(
        self,
        size: int,
        clock: StageClock,
        *,
        length: float,
        frames: int,
        fps: float,
        between: int = 0,
    ) -> None:
        """Learn from a clip that was answered: its seconds, and the frames at that rate.

        `between` is how many more there are that were not analysed.
        """
        seconds = clock.seconds
        if length > 0:
            self._bytes_per_second.add(size / length)
        if frames:
            self._decoding.add(seconds.get("decode", 0.0) * fps / frames)
            work = seconds.get("segmentation", 0.0) + seconds.get("caption", 0.0)
            self._frame.add(work / frames)
        if between:
            self._between.add(seconds.get("postprocess", 0.0) / between)
        self._fps.add(fps)
