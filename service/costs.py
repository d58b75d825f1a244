"""What a clip will cost, guessed before it is opened: seconds of a worker."""

from __future__ import annotations

from service.admission import Estimate
from service.settings import Settings
from service.telemetry.stages import StageClock
from service.understanding.options import Options


class Costs:
    """Guesses by size and options, and learns from the clips that were answered.

    Only a decoding process may look into a clip, so its length is a guess until it has one: the
    size over the usual bytes a second, or less if less is asked for. Decoding takes its share of
    every second of the clip; segmentation and captions of every frame.
    """

    def __init__(self, settings: Settings) -> None:
        self._longest = settings.max_seconds
        self._bytes_per_second = Estimate(200_000.0)
        self._decoding = Estimate(0.04)
        self._frame = Estimate(0.03)
        self._fps = Estimate(1.0)

    def guess(self, size: int, options: Options) -> float:
        """Return the seconds that a clip of this size will probably take."""
        length = min(self._longest, size / self._bytes_per_second.value)
        end = length if options.end is None else min(length, options.end)
        asked = max(0.0, end - options.start)
        frames = max(1.0, asked * (options.fps or self._fps.value))
        return asked * self._decoding.value + frames * self._frame.value

    def learn(
        self, size: int, clock: StageClock, *, length: float, frames: int, fps: float
    ) -> None:
        """Learn from a clip that was answered: its seconds, and the frames at that rate."""
        seconds = clock.seconds
        if length > 0:
            self._bytes_per_second.add(size / length)
        if frames:
            self._decoding.add(seconds.get("decode", 0.0) * fps / frames)
            work = seconds.get("segmentation", 0.0) + seconds.get("caption", 0.0)
            self._frame.add(work / frames)
        self._fps.add(fps)
