"""Recordings: read them, vary them, and normalise every sound of a pack."""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np
from scipy.signal import resample_poly

from ssuformer.errors import ConfigError
from training.packs.synthesis import SAMPLE_RATE, Wave

Part = Literal["train", "val", "test"]

LEVEL_RMS = 0.1
PEAK = 0.95
SHORTEST_SECONDS = 2.0
LONGEST_SECONDS = 6.0
LONG_RECORDING_SECONDS = 4.0
"""A recording at least this long is divided in time; a shorter one by playback rate."""

PARTS_IN_TIME: dict[Part, tuple[float, float]] = {
    "train": (0.0, 0.6),
    "val": (0.6, 0.75),
    "test": (0.75, 1.0),
}
RATES: dict[Part, tuple[tuple[float, float], ...]] = {
    "train": ((0.80, 0.89), (0.97, 1.04), (1.15, 1.25)),
    "val": ((0.90, 0.92), (1.12, 1.14)),
    "test": ((0.93, 0.96), (1.05, 1.11)),
}
"""Playback rates of the variants of one recording: the ranges of the splits do not touch."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of a recording, and a description of how it was made."""

    wave: Wave
    origin: str


def read_sound(path: Path) -> Wave:
    """Decode any sound file to mono float32 at 16 kHz, or raise ConfigError."""
    stored = _read_stored(path) if path.suffix == ".wav" else None
    return _decode(path) if stored is None else stored


def _read_stored(path: Path) -> Wave | None:
    """Read the form that `write_sound` writes, quickly; None if the file has another form."""
    try:
        with wave.open(str(path)) as stored:
            form = stored.getnchannels(), stored.getsampwidth(), stored.getframerate()
            if form != (1, 2, SAMPLE_RATE):
                return None
            samples = np.frombuffer(stored.readframes(stored.getnframes()), dtype="<i2")
    except (wave.Error, EOFError):
        return None
    return (samples / np.float32(32768)).astype(np.float32)


def _decode(path: Path) -> Wave:
    try:
        with av.open(str(path)) as container:
            resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
            pieces = [
                out.to_ndarray()[0]
                for frame in container.decode(audio=0)
                for out in resampler.resample(frame)
            ]
            pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise ConfigError(f"{path} is not a sound file that can be read: {error}") from error
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.float32)


def write_sound(path: Path, sound: Wave) -> None:
    """Write mono 16-bit PCM at 16 kHz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.round(sound * 32767).astype("<i2").tobytes())


def loudness(sound: Wave, window: float = 0.02) -> Wave:
    """Return the RMS of consecutive windows of this many seconds."""
    size = round(window * SAMPLE_RATE)
    whole = sound[: len(sound) // size * size].reshape(-1, size)
    levels: Wave = np.sqrt(np.mean(whole.astype(np.float64) ** 2, axis=1)).astype(np.float32)
    return levels


def trim(sound: Wave, floor: float = 0.03) -> Wave:
    """Cut silence from both ends: what is below this share of the loudest 20 ms."""
    levels = loudness(sound)
    if not len(levels) or levels.max() < 1e-5:
        return sound[:0]
    loud = np.flatnonzero(levels > floor * levels.max())
    size = round(0.02 * SAMPLE_RATE)
    return sound[loud[0] * size : (loud[-1] + 1) * size]


def tighten(sound: Wave, gap_seconds: float = 0.16, floor: float = 0.06) -> Wave:
    """Shorten every silence inside a sound to at most this many seconds."""
    levels = loudness(sound)
    if not len(levels):
        return sound
    size = round(0.02 * SAMPLE_RATE)
    allowed = round(gap_seconds / 0.02)
    quiet_run, keep = 0, []
    for index, level in enumerate(levels):
        quiet_run = quiet_run + 1 if level < floor * levels.max() else 0
        if quiet_run <= allowed:
            keep.append(sound[index * size : (index + 1) * size])
    return np.concatenate(keep)


def finish(sound: Wave) -> Wave:
    """Normalise a sound for storage: trimmed, without long gaps, levelled, 2..6 s."""
    clean = tighten(trim(sound - sound.mean() if len(sound) else sound))
    if not len(clean):
        return clean
    gap = np.zeros(round(0.1 * SAMPLE_RATE), dtype=np.float32)
    while len(clean) < SHORTEST_SECONDS * SAMPLE_RATE:
        clean = np.concatenate([clean, gap, clean])
    clean = clean[: round(LONGEST_SECONDS * SAMPLE_RATE)].copy()
    edge = round(0.005 * SAMPLE_RATE)
    clean[:edge] *= np.linspace(0, 1, edge, dtype=np.float32)
    clean[-edge:] *= np.linspace(1, 0, edge, dtype=np.float32)
    gain = min(LEVEL_RMS / np.sqrt(np.mean(clean**2)), PEAK / np.abs(clean).max())
    return np.asarray(clean * gain, dtype=np.float32)


def vary(call: Wave, rate: float, rng: np.random.Generator) -> Wave:
    """Play a call at another rate, tilt its spectrum, and repeat it with short gaps for 3-4.5 s."""
    ratio = Fraction(rate).limit_denominator(60)
    played = resample_poly(call, ratio.denominator, ratio.numerator).astype(np.float32)
    played = _tilt(played, float(rng.uniform(-4, 4)))
    target = rng.uniform(3.0, 4.5) * SAMPLE_RATE
    pieces: list[Wave] = []
    while sum(map(len, pieces)) < target:
        gap = np.zeros(round(rng.uniform(0.03, 0.25) * SAMPLE_RATE), dtype=np.float32)
        pieces += [played * np.float32(rng.uniform(0.75, 1.0)), gap]
    return np.concatenate(pieces)


def _tilt(sound: Wave, decibels: float) -> Wave:
    """Raise the highs over the lows by this much per decade around 1 kHz."""
    spectrum = np.fft.rfft(sound)
    frequencies = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    slope = np.log10(np.maximum(frequencies, 50.0) / 1000.0)
    shaped = np.fft.irfft(spectrum * 10 ** (decibels * slope / 20), len(sound))
    return np.asarray(shaped, dtype=np.float32)


def variants(recordings: Sequence[Path], part: Part, count: int, seed: int) -> list[Variant]:
    """Make `count` variants of recordings for one split.

    Of several recordings the last is for the test split only. A single one is divided in time if
    long; a short one is shared, and the splits differ by their ranges of playback rate.
    """
    rng = np.random.default_rng(seed)
    chosen = recordings[-1:] if part == "test" else recordings[: max(1, len(recordings) - 1)]
    material = [_material(path, part) for path in chosen]
    made = []
    for index in range(count):
        call, origin = material[index % len(material)]
        ranges = RATES[part]
        rate = float(rng.uniform(*ranges[index // len(material) % len(ranges)]))
        made.append(Variant(vary(call, rate, rng), f"{origin}, rate {rate:.2f}"))
    return made


def _material(path: Path, part: Part) -> tuple[Wave, str]:
    """Return the part of a recording that a split may use, and a description of its origin."""
    call = tighten(trim(read_sound(path), 0.06))
    if len(call) < LONG_RECORDING_SECONDS * SAMPLE_RATE:
        return call, str(path)
    start, end = PARTS_IN_TIME[part]
    piece = trim(call[round(start * len(call)) : round(end * len(call))])
    return piece, f"{path}, {start:.0%}-{end:.0%} of it"
