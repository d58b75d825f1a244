"""A clip that is understood part by part, as if it had not been parted."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import orjson

from service.understanding.answer import TrackLog
from service.understanding.recognition import Recognition
from service.understanding.schemas import Frame, Track
from service.understanding.smoothing import Smoother
from service.understanding.tracks import Tracker
from ssuformer.clip import Chunk, ClipInfo, ClipWarning


@dataclass(frozen=True, slots=True)
class Part:
    """What was found in a part of a clip."""

    frames: list[Frame]
    info: ClipInfo
    duration: float
    """Seconds of the clip: stated, or measured if the part has ended it."""
    warnings: tuple[ClipWarning, ...]
    mask_size: tuple[int, int]
    sampled_fps: float
    smooth_fps: float | None
    analysed: int
    """How many of the frames have been looked at."""
    ended: bool
    """Whether the clip, or what was asked for of it, ends here."""


@dataclass(slots=True)
class _Held:
    """What goes from one part to the next."""

    tracker: Tracker
    log: TrackLog
    recognition: Recognition
    smoother: Smoother | None


class Story:
    """What the next part of a clip has to know of those before it."""

    def __init__(self) -> None:
        self.frames = 0
        """How many have been understood."""
        self.held: Chunk | None = None
        """The last window: the next one overlaps it."""
        self._now: _Held | None = None
        self._saved: dict[str, Any] = {}

    def begin(
        self,
        tracker: Tracker,
        log: TrackLog,
        recognition: Recognition,
        smoother: Smoother | None = None,
    ) -> None:
        """Let the trackers of a new part go on where those of the part before are."""
        saved = self._facts()
        self._now = _Held(tracker, log, recognition, smoother)
        if saved:
            tracker.resume(saved["tracker"])
            log.resume(saved["log"])
            recognition.resume(saved["recognition"])
            if smoother is not None:
                smoother.resume(saved["smoother"])

    def tracks(self, *, duration: float) -> list[Track]:
        """Return all tracks of a clip that has ended."""
        log = TrackLog(step=1.0)
        if facts := self._facts():
            log.resume(facts["log"])
        return log.tracks(duration=duration)

    def warnings(self) -> list[ClipWarning]:
        """Return what there is to warn of, of all parts together."""
        recognition = Recognition()
        if facts := self._facts():
            recognition.resume(facts["recognition"])
        return list(recognition.warnings())

    def saved(self) -> bytes:
        """Return it as a file of NumPy arrays."""
        facts = np.frombuffer(orjson.dumps({"frames": self.frames, **self._facts()}), np.uint8)
        arrays = {"facts": facts}
        if self.held is not None:
            arrays |= {name: getattr(self.held, name) for name in ("frames", "waveform", "times")}
        file = io.BytesIO()
        np.savez(file, allow_pickle=False, **arrays)
        return file.getvalue()

    @classmethod
    def resumed(cls, saved: bytes) -> Self:
        """Return the story that was saved."""
        story = cls()
        with np.load(io.BytesIO(saved), allow_pickle=False) as arrays:
            story._saved = orjson.loads(arrays["facts"].tobytes())
            story.frames = story._saved.pop("frames")
            if "times" in arrays:
                story.held = Chunk(arrays["frames"], arrays["waveform"], arrays["times"])
        return story

    def _facts(self) -> dict[str, Any]:
        now = self._now
        if now is None:
            return self._saved
        return {
            "tracker": now.tracker.saved(),
            "log": now.log.saved(),
            "recognition": now.recognition.saved(),
            "smoother": None if now.smoother is None else now.smoother.saved(),
        }
