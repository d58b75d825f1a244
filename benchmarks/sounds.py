"""Sounds that no thing makes: noises, mains hum, wind, the tone of a room, silence.

They are made here and not by `training/scenes`, so that no model has heard them in training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from ssuformer.contract import SAMPLE_RATE

Samples = npt.NDArray[np.float32]
Colour = Literal["white", "pink", "brown"]

SILENCE_DB = -120.0

COLOURS: tuple[Colour, ...] = ("white", "pink", "brown")


def decibels(samples: Samples) -> float:
    """Return the root mean square in dB of full scale, at least `SILENCE_DB`."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(SILENCE_DB, 10 * math.log10(power)) if power else SILENCE_DB


def amplified(samples: Samples, gain_db: float) -> Samples:
    """Return samples with a gain, cut off at full scale as in a file."""
    return np.clip(samples * np.float32(10 ** (gain_db / 20)), -1, 1)


def with_noise(samples: Samples, noise: npt.NDArray[np.float64], snr_db: float) -> Samples:
    """Return samples with noise of unit power at a ratio to their own level, cut off likewise."""
    rms = 10 ** ((decibels(samples) - snr_db) / 20)
    return np.clip(samples + noise * rms, -1, 1).astype(np.float32)


def at_level(samples: npt.NDArray[np.float64], rms: float) -> Samples:
    """Return samples with this root mean square, cut off at full scale as in a file."""
    scaled = samples * (rms / np.sqrt(np.mean(samples**2)))
    return np.clip(scaled, -1, 1).astype(np.float32)


def coloured(colour: Colour, samples: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
    """Return noise of unit power that falls by 0, 3 or 6 dB an octave above 20 Hz."""
    white = np.random.default_rng([7, seed]).standard_normal(samples)
    if colour == "white":
        return white / white.std()
    slope = {"pink": 0.5, "brown": 1.0}[colour]
    hertz = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    shape = np.where(hertz >= 20, np.maximum(hertz, 20) ** -slope, 0)
    noise = np.fft.irfft(np.fft.rfft(white) * shape, samples)
    return noise / noise.std()


def hum(samples: int, *, harmonics: int = 4) -> npt.NDArray[np.float64]:
    """Return mains hum: 50 Hz and its multiples."""
    turns = 2 * np.pi * 50 * np.arange(samples) / SAMPLE_RATE
    tones = [np.sin(number * turns) / number for number in range(1, harmonics + 1)]
    return np.sum(tones, axis=0)


def wind(samples: int) -> npt.NDArray[np.float64]:
    """Return gusts: noise mostly below 200 Hz that swells and falls within seconds."""
    rumble = lfilter([0.08], [1, -0.92], coloured("pink", samples, seed=1))
    gusts = lfilter([1e-4], [1, -0.9999], np.abs(coloured("brown", samples, seed=2)))
    return rumble * (0.15 + gusts / gusts.max())


def room(samples: int) -> npt.NDArray[np.float64]:
    """Return the tone of a quiet room: a ventilator's noise with a little hiss."""
    low = lfilter([0.05], [1, -0.95], coloured("pink", samples, seed=3))
    return low / low.std() + 0.1 * coloured("white", samples, seed=4)


MEANINGLESS: Mapping[str, Callable[[int], Samples]] = {
    "50 Hz sine, 0.1": lambda n: at_level(hum(n, harmonics=1), 0.1),
    "50 Hz hum, 0.1": lambda n: at_level(hum(n), 0.1),
    "50 Hz hum, 0.01": lambda n: at_level(hum(n), 0.01),
    "brown noise, 0.3": lambda n: at_level(coloured("brown", n), 0.3),
    "pink noise, 0.02": lambda n: at_level(coloured("pink", n), 0.02),
    "wind, 0.1": lambda n: at_level(wind(n), 0.1),
    "room tone, 0.003": lambda n: at_level(room(n), 0.003),
    "white noise, 0.1": lambda n: at_level(coloured("white", n), 0.1),
    "silence": lambda n: np.zeros(n, np.float32),
}
"""Sounds of a number of samples by name; the number in a name is the root mean square."""
