"""Onsets of a sound: where its spectrum suddenly gains (spectral flux, Böck et al. 2012).

Axes: t steps, f frequencies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ssuformer.errors import OptionError

_STEP = 0.005
"""Seconds between two looks at the spectrum."""
_WINDOW = 0.023
_AROUND = 0.1
"""Seconds before and after a look that its threshold is taken from."""
_APART = 0.03
"""Least seconds between two onsets."""
_RISE = 3.0
"""An onset rises by more than this times the median round it."""
_LEAST = 0.05
"""And by more than this share of the greatest rise: noise has onsets of its own."""
_QUIET = 1e-3
"""Amplitudes below it are silence."""


def onsets(sound: NDArray[np.float32], rate: int) -> list[float]:
    """Return the seconds at which something begins to sound, in order, to 20 ms.

    `sound` is mono, `[samples]`, -1..1. OptionError if it is not.
    """
    if sound.ndim != 1 or rate <= 0:
        raise OptionError(f"onsets need mono sound, not {sound.shape} at {rate} Hz")
    step, length = max(1, round(_STEP * rate)), max(16, round(_WINDOW * rate))
    flux = _flux(sound, step, length)
    if not flux.size or float(flux.max()) <= 0:
        return []
    reach = max(1, round(_AROUND / _STEP))
    padded = np.pad(flux, reach, mode="edge")
    median = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)
    needed = np.maximum(_RISE * median, _LEAST * flux.max())
    found: list[float] = []
    for at in np.flatnonzero(_peaks(flux) & (flux > needed)):
        # The window ends where the new sound is first seen; its flux is greatest in the middle.
        time = float(at * step) / rate
        if not found or time - found[-1] >= _APART:
            found.append(round(time, 3))
    return found


def _flux(sound: NDArray[np.float32], step: int, length: int) -> NDArray[np.float64]:
    """Return how much louder all frequencies together get at each step, `[t]`."""
    padded = np.pad(sound.astype(np.float64), (length, length))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)[length // 2 :: step]
    flux = np.zeros(len(windows))
    shape, before = np.hanning(length), np.zeros(length // 2 + 1)
    lag = 2
    kept = [before] * lag
    for at in range(len(windows)):
        now = np.log1p(np.abs(np.fft.rfft(windows[at] * shape)) / (_QUIET * length))
        flux[at] = np.maximum(now - kept[0], 0).sum()
        kept = [*kept[1:], now]
    return flux


def _peaks(flux: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which steps are greater than those beside them."""
    padded = np.pad(flux, 2, mode="constant", constant_values=-1)
    around = np.lib.stride_tricks.sliding_window_view(padded, 5)
    return np.asarray((flux >= around.max(axis=1)) & (flux > padded[1:-3]), bool)
