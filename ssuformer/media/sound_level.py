"""How loud a clip's sound is: measured block by block, judged at the end.

Levels are in dBFS: decibels of the root mean square against 1, so that a full-scale sine has -3.

Axes: c channels, n samples.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ssuformer.contract import SAMPLE_RATE
from ssuformer.media.opening import ClipWarning

QUIET = -55.0
"""dBFS: a second below it holds nothing that the model could name."""

FULL_SCALE = 0.95
"""Magnitude from which a sample counts as clipped: codecs and resampling move clipped ones."""

CLIPPED_SHARE = 0.02
"""Share of clipped samples from which the sound counts as distorted. A voice of which 13 % were
clipped keeps 4 to 15 % through AAC, MP3, Opus or FLAC; one at full scale, unclipped, has 0.1 %."""

_SILENT = 1e-4

Samples = NDArray[np.float32]


def level(samples: Samples) -> NDArray[np.float64]:
    """Return the level of each row [... n] in dBFS; -inf for digital silence."""
    return decibels(np.square(samples, dtype=np.float64).mean(-1))


def decibels(power: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Return mean squares in dBFS."""
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = 10 * np.log10(power)
    return found


class SoundLevel:
    """Collects the loudness of one stream in a few numbers, whatever its length."""

    def __init__(self) -> None:
        self.peak = 0.0
        """Largest magnitude in the mono mix."""
        self._power = 0.0
        self._energy, self._heard = 0.0, 0
        self._clipped = self._samples = 0

    @property
    def loudest(self) -> float:
        """Level of the loudest second of the mono mix, in dBFS."""
        return float(decibels(max(self._power, self._rest())))

    @property
    def clipped(self) -> float:
        """Share of samples at full scale in the channels that were mixed, 0..1."""
        return self._clipped / max(self._samples, 1)

    def add(self, channels: Samples, mixed: Samples) -> None:
        """Add the next block: its channels [c n] and its mono mix [n]."""
        self._clipped += int((np.abs(channels) >= FULL_SCALE).sum())
        self._samples += channels.size
        self.peak = max(self.peak, float(np.abs(mixed).max(initial=0.0)))
        while len(mixed):
            part, mixed = np.split(mixed, [SAMPLE_RATE - self._heard])
            self._energy += float(np.square(part, dtype=np.float64).sum())
            self._heard += len(part)
            if self._heard == SAMPLE_RATE:
                self._power = max(self._power, self._rest())
                self._energy, self._heard = 0.0, 0

    def warnings(self) -> Iterator[ClipWarning]:
        """Yield what is wrong with the loudness."""
        if self.peak < _SILENT:
            yield ClipWarning("silent_audio", "the clip's audio is silent")
        elif self.loudest < QUIET:
            yield ClipWarning(
                "quiet_audio",
                f"the loudest second has {self.loudest:.0f} dBFS; below {QUIET:.0f} dBFS little "
                "can be recognised",
            )
        if self.clipped >= CLIPPED_SHARE:
            yield ClipWarning(
                "clipped_audio",
                f"{self.clipped:.1%} of the samples are at full scale, more than "
                f"{CLIPPED_SHARE:.0%}; distorted sound is recognised less well",
            )

    def _rest(self) -> float:
        """Return the mean square of the second that is not over yet."""
        return self._energy / self._heard if self._heard else 0.0
