"""Mix channels to mono so that a sound is as loud as in its loudest channel, however it is spread.

A player plays one channel, two equal ones or six equal ones at the same level; the mean of all
channels would make a voice in the centre of 5.1 six times quieter. So the channels are added and
divided by how many of them carry signal, counted by level: `sum(levels) / max(levels)`.
A sum that has lost most of its level holds channels in antiphase; the loudest channel replaces it.

Axes: c channels, n samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ssuformer.contract import SAMPLE_RATE

Samples = NDArray[np.float32]

_HALF_LIFE = SAMPLE_RATE // 10
"""Levels are remembered with this half-life, in samples: a sound that turns to antiphase
midway is back within half a second."""

_CANCELLED, _WHOLE = 0.15, 0.35
"""Level of the sum as a share of the sum of levels: up to the first the loudest channel is taken,
from the second on the sum. Unrelated channels have 0.7 (two) to 0.4 (six)."""

_CLEARLY_LOUDER = 2.0
"""Factor of power at which another channel becomes the loudest: equal ones do not alternate."""

_BASS = "LFE"


class MonoMix:
    """Mixes one stream block by block; the weights of the channels glide, so that nothing clicks.

    It keeps one level per channel, whatever the length of the stream.
    """

    def __init__(self, channels: Sequence[str]) -> None:
        """Take FFmpeg's names of the channels; the bass channel is left out, as players do."""
        self._used = [i for i, name in enumerate(channels) if name != _BASS] or [0]
        self._power = np.zeros(len(self._used))
        self._power_of_sum = 0.0
        self._loudest = 0
        self._weights: NDArray[np.float64] | None = None

    def mix(self, samples: Samples) -> Samples:
        """Return the next block, [c n] in -1..1, as mono [n] in -1..1."""
        used = samples[self._used]
        if len(used) == 1 or used.shape[1] == 0:
            return used[0]
        self._listen(used)
        wanted = self._weigh()
        before = wanted if self._weights is None else self._weights
        self._weights = wanted
        ramp = np.linspace(0, 1, used.shape[1])
        weights = before[:, None] + (wanted - before)[:, None] * ramp
        mixed: Samples = (used * weights).sum(0).clip(-1, 1).astype(np.float32)
        return mixed

    def _listen(self, samples: Samples) -> None:
        kept = 0.5 ** (samples.shape[1] / _HALF_LIFE)
        self._power = kept * self._power + np.square(samples, dtype=np.float64).sum(1)
        total = np.square(samples.sum(0), dtype=np.float64).sum()
        self._power_of_sum = kept * self._power_of_sum + float(total)
        first = int(self._power.argmax())
        if self._power[first] > _CLEARLY_LOUDER * self._power[self._loudest]:
            self._loudest = first

    def _weigh(self) -> NDArray[np.float64]:
        """Return the weight of each channel [c]."""
        levels = np.sqrt(self._power)
        if not levels.any():
            return np.full(len(levels), 1 / len(levels)) if self._weights is None else self._weights
        agreement = np.sqrt(self._power_of_sum) / levels.sum()
        share = np.clip((agreement - _CANCELLED) / (_WHOLE - _CANCELLED), 0, 1)
        weights = np.full(len(levels), share * levels.max() / levels.sum())
        weights[self._loudest] += 1 - share
        return weights
