"""Whether a clip is of the kind that the model knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ssuformer.media.opening import ClipWarning
from ssuformer.media.sound_level import QUIET, level

MOST = 0.5
"""Share of seconds that must hold sound before anything is said about the clip."""

FEW = 0.2
"""Share of those in which something must have been recognised, or the clip is out of domain."""


class Recognition:
    """Counts in how many seconds there is sound, and in how many of them it was recognised."""

    def __init__(self) -> None:
        self._seconds = self._sounding = self._recognised = 0

    def saved(self) -> tuple[int, int, int]:
        """Return the counts."""
        return self._seconds, self._sounding, self._recognised

    def resume(self, saved: Sequence[int]) -> None:
        """Go on with the counts that another one has saved."""
        self._seconds, self._sounding, self._recognised = saved

    def add(self, waveform: NDArray[np.float32], known: Sequence[bool]) -> None:
        """Add the next frames: a second of sound each, [t 16000], and whether a region is named."""
        for loud, recognised in zip(level(waveform) >= QUIET, known, strict=True):
            self._seconds += 1
            self._sounding += bool(loud)
            self._recognised += bool(loud and recognised)

    def warnings(self) -> Iterator[ClipWarning]:
        """Yield `out_of_domain` if there is sound in most seconds but little of it is known."""
        if self._sounding <= MOST * self._seconds or self._recognised >= FEW * self._sounding:
            return
        yield ClipWarning(
            "out_of_domain",
            f"there is sound in {self._sounding} of {self._seconds} seconds, but something known "
            f"was found in {self._recognised} of them; the model may not know what sounds here",
        )
