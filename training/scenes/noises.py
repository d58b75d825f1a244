"""Sounds that mean nothing: noise of many colours, hum, wind, and the echo of a room."""

from __future__ import annotations

from functools import cache

import numpy as np

from ssuformer.contract import SAMPLE_RATE
from training.scenes.mixing import Wave

_POOL = 1 << 19
SLOPES = (0.0, 0.5, 0.8, 1.0, 1.3)
"""Falls of the amplitude with frequency: white 0, pink 0.5, brown 1."""


@cache
def _coloured(slope: float) -> Wave:
    rng = np.random.default_rng(int(100 * slope) + 1)
    spectrum = np.fft.rfft(rng.standard_normal(_POOL))
    hertz = np.fft.rfftfreq(_POOL, 1 / SAMPLE_RATE)
    spectrum *= np.where(hertz > 20, np.maximum(hertz, 20) ** -slope, 0)
    wave = np.fft.irfft(spectrum, _POOL)
    return (wave / np.sqrt(np.mean(wave**2))).astype(np.float32)


def noise(rng: np.random.Generator, samples: int) -> Wave:
    """Return noise of unit power: coloured, gusts of wind, mains hum, or room tone."""
    kind = rng.choice(("coloured", "wind", "hum", "room"), p=(0.5, 0.2, 0.15, 0.15))
    slope = float(rng.choice(SLOPES))
    if kind in ("wind", "room"):
        slope = float(rng.choice((0.8, 1.0, 1.3)))
    pool = _coloured(slope)
    start = int(rng.integers(len(pool)))
    wave: Wave = np.take(pool, np.arange(start, start + samples), mode="wrap")
    if kind == "wind":
        points = rng.uniform(0.1, 1.0, samples // SAMPLE_RATE * 2 + 2)
        gusts = np.interp(np.linspace(0, len(points) - 1, samples), range(len(points)), points)
        wave = wave * gusts.astype(np.float32)
    elif kind == "hum":
        wave = _hum(rng, samples) + float(rng.uniform(0, 0.1)) * wave
    return (wave / (np.sqrt(np.mean(wave**2)) + 1e-9)).astype(np.float32)


def _hum(rng: np.random.Generator, samples: int) -> Wave:
    time = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
    base = float(rng.choice((50.0, 60.0, 100.0, 120.0))) * float(rng.uniform(0.995, 1.005))
    wave = np.zeros(samples, np.float32)
    for harmonic in range(1, int(rng.integers(2, 9))):
        strength = float(rng.random()) / harmonic
        wave += np.float32(strength) * np.sin(
            np.float32(2 * np.pi * base * harmonic) * time + np.float32(rng.uniform(0, 6))
        )
    return wave


def reverberated(rng: np.random.Generator, wave: Wave) -> Wave:
    """Return a wave in a room, at the same level."""
    count = int(float(rng.uniform(0.08, 0.7)) * SAMPLE_RATE)
    tail = rng.standard_normal(count, dtype=np.float32)
    tail *= np.exp(-6.9 * np.arange(count, dtype=np.float32) / count)
    tail *= np.float32(rng.uniform(0.2, 1.0)) / np.sqrt(np.sum(tail**2))
    tail[0] = 1
    size = 1 << (len(wave) + count - 2).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size), size)[: len(wave)]
    level = np.sqrt(np.mean(wave**2) / (np.mean(wet**2) + 1e-12))
    return (wet * level).astype(np.float32)
