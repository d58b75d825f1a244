"""What is known of a clip while it goes through the pipeline."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from service.telemetry.stages import StageClock
from service.understanding.answer import TrackLog
from service.understanding.options import Options
from service.understanding.recognition import Recognition
from service.understanding.smoothing import Smoother
from service.understanding.tracks import Tracker
from service.understanding.windows import Window
from ssuformer.clip import Chunk
from ssuformer.regions import Detection, Segmentation


@dataclass(slots=True)
class Run:
    """The state of one clip in the pipeline."""

    options: Options
    clock: StageClock
    fps: float
    size: tuple[int, int]
    tracker: Tracker
    log: TrackLog
    seconds: float | None
    smoother: Smoother | None = None
    frames: int = 0
    """How many have been analysed."""
    recognition: Recognition = field(default_factory=Recognition)
    before: Done | None = None
    """The window before."""
    held: Chunk | None = None
    """Its pictures and sound, or those of the part of the clip before."""

    @property
    def left(self) -> float | None:
        """Seconds left until the deadline, if there is one."""
        return None if self.seconds is None else max(0.0, self.seconds - self.clock.elapsed)


@dataclass(frozen=True, slots=True)
class Found:
    """What the segmentation engine found in a window."""

    window: Window
    segmentation: Segmentation
    frames: list[list[Detection]]
    """Regions of each frame that were asked for."""
    seen: list[set[int]]
    """Categories of each frame that have any region."""


@dataclass(slots=True)
class Done:
    """What the engines said to a window.

    Of one that shows and sounds the same they would say the same: damaged time stamps can make
    minutes of one picture in silence of a few kilobytes.
    """

    window: Window
    segmentation: Segmentation
    sentences: dict[tuple[int, int], str] | None = None

    def is_of(self, chunk: Chunk) -> bool:
        """Return whether these pictures and this sound are the same."""
        known = self.window.chunk
        return np.array_equal(known.waveform, chunk.waveform) and np.array_equal(
            known.frames, chunk.frames
        )
