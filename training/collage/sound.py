"""Lay recordings over the noise of a room, mostly one at a time, and say what is heard when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ssuformer.contract import SAMPLE_RATE

Samples = npt.NDArray[np.float32]
Heard = npt.NDArray[np.bool_]

LOUDEST_DB, QUIETEST_DB = -8.0, -35.0
"""Level of what is heard in a scene, root mean square of full scale."""

ROOM_DB = (-55.0, -28.0)
"""Level of the room, below what is heard."""

FAINTEST_DB = -22.0
"""A recording is left out of a second in which it is fainter, beside its loudest one."""

PEAK = 0.97

_CELL = SAMPLE_RATE // 50
_PAUSE = 18
_BLEND = SAMPLE_RATE // 33


@dataclass(frozen=True, slots=True)
class Part:
    """A recording, and the seconds in which it is played."""

    recording: Samples
    played: Heard
    """`[t]`."""


@dataclass(frozen=True, slots=True)
class Mixture:
    """The sound of a scene, and in which seconds each part of it can be heard."""

    samples: Samples
    heard: tuple[Heard, ...]


def plan(rng: np.random.Generator, *, visible: int, hidden: int, seconds: int) -> Heard:
    """Return `[k t]`: what is played when, the visible things first; some seconds are silent."""
    played = np.zeros((visible + hidden, seconds), np.bool_)
    second = 0
    while second < seconds:
        until = second + int(rng.integers(1, 4))
        luck = float(rng.random())
        first, other = (int(i) for i in rng.permutation(visible)[:2])
        if luck < 0.55:
            played[first, second:until] = True
        elif luck < 0.7:
            played[[first, other], second:until] = True
        elif luck < 0.9 and hidden:
            played[visible, second:until] = True
            played[first, second:until] = luck > 0.85
        second = until
    return played


def mix(rng: np.random.Generator, parts: Sequence[Part], seconds: int) -> Mixture:
    """Return the sound of a scene with its parts at about the same level."""
    total = np.zeros(seconds * SAMPLE_RATE, np.float32)
    heard = []
    for part in parts:
        track = _track(rng, dense(part.recording), part.played)
        seconds_heard = _audible(track) & part.played
        heard.append(seconds_heard)
        if seconds_heard.any():
            track *= np.repeat(seconds_heard, SAMPLE_RATE)
            total += track * np.float32(_gain(rng.uniform(-5, 0)) / _level(track, seconds_heard))
    anything = np.any([np.zeros(seconds, np.bool_), *heard], axis=0)
    level = _level(total, anything) if anything.any() else 1.0
    total += np.float32(level * _gain(rng.uniform(*ROOM_DB))) * _room(rng, len(total))
    total *= np.float32(_gain(rng.uniform(QUIETEST_DB, LOUDEST_DB)) / level)
    return Mixture(_limited(total), tuple(heard))


def dense(recording: Samples) -> Samples:
    """Return a recording without leading and trailing silence and with short pauses only."""
    count = len(recording) // _CELL
    if not count:
        return recording
    cells = recording[: count * _CELL].reshape(count, _CELL)
    power = np.square(cells).mean(axis=1)
    sounds = power > power.max() * 10 ** (-3.5)
    since = _cells_since(sounds)
    before = _cells_since(sounds[::-1])[::-1]
    last, first = np.flatnonzero(sounds)[[-1, 0]] if sounds.any() else (count - 1, 0)
    near = np.minimum(since, before) <= _PAUSE // 2
    kept = near & (np.arange(count) >= first) & (np.arange(count) <= last)
    return cells[kept].reshape(-1)


def _cells_since(sounds: Heard) -> npt.NDArray[np.int64]:
    """Return for every cell how long ago the last sounding one was."""
    number = np.arange(len(sounds))
    latest = np.maximum.accumulate(np.where(sounds, number, -len(sounds)))
    since: npt.NDArray[np.int64] = number - latest
    return since


def _track(rng: np.random.Generator, recording: Samples, played: Heard) -> Samples:
    """Return a recording over the whole scene, repeated in its seconds and silent elsewhere."""
    track = np.zeros(len(played) * SAMPLE_RATE, np.float32)
    label, count = ndimage.label(played)
    for number in range(1, count + 1):
        turn = np.flatnonzero(label == number)
        begin, length = int(turn[0]) * SAMPLE_RATE, len(turn) * SAMPLE_RATE
        offset = int(rng.integers(max(1, len(recording) - length)))
        track[begin : begin + length] = _repeated(recording, offset, length)
    return track


def _repeated(recording: Samples, offset: int, length: int) -> Samples:
    """Return `length` samples of a recording from `offset` on, again and again, blended."""
    blend = min(_BLEND, len(recording) // 3)
    fade = np.sin(np.linspace(0, np.pi / 2, blend, dtype=np.float32))
    out = np.zeros(length + blend, np.float32)
    piece, at = recording[offset:].copy(), 0
    while at < length and len(piece):
        piece[:blend] *= fade[: len(piece)]
        piece[max(0, len(piece) - blend) :] *= fade[::-1][-len(piece) :]
        room = out[at : at + len(piece)]
        room += piece[: len(room)]
        at += max(1, len(piece) - blend)
        piece = recording.copy()
    edge = np.minimum(np.arange(length), np.arange(length)[::-1]) / _BLEND
    ended: Samples = out[:length] * np.minimum(edge, 1).astype(np.float32)
    return ended


def _audible(track: Samples) -> Heard:
    """Return `[t]`: the seconds in which a track is about as loud as in its loudest one."""
    power = np.square(track).reshape(-1, SAMPLE_RATE).mean(axis=1)
    return np.greater(power, power.max() * 10 ** (FAINTEST_DB / 10))


def _level(samples: Samples, seconds: Heard) -> float:
    """Return the root mean square over some seconds."""
    return float(np.sqrt(np.square(samples).reshape(-1, SAMPLE_RATE)[seconds].mean()))


def _gain(decibels: float) -> float:
    return float(10 ** (decibels / 20))


def _room(rng: np.random.Generator, samples: int) -> Samples:
    """Return the tone of a room, of unit power: noise through two low passes."""
    white = rng.standard_normal(samples)
    wide = float(np.exp(rng.uniform(np.log(3), np.log(40))))
    low = ndimage.gaussian_filter1d(white, wide, mode="wrap")
    air = ndimage.gaussian_filter1d(rng.standard_normal(samples), 1.0, mode="wrap")
    tone = low / low.std() + rng.uniform(0.02, 0.3) * air / air.std()
    return (tone / tone.std()).astype(np.float32)


def _limited(samples: Samples) -> Samples:
    """Return samples within the peak, the gain lowered smoothly around what is over it."""
    reach = SAMPLE_RATE // 200
    loudest = ndimage.maximum_filter1d(np.abs(samples), 4 * reach + 1)
    gain = ndimage.uniform_filter1d(PEAK / np.maximum(loudest, PEAK), 2 * reach + 1)
    limited: Samples = (samples * gain).astype(np.float32)
    return limited
