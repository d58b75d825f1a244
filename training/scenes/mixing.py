"""Mix the audio of a script: recordings, reverberation, noise floor.

A recording is prepared once: gaps shortened, loudness set to `REFERENCE` where it sounds, so that
any second of it is audible and its label "sounds in this second" is correct.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ssuformer.contract import SAMPLE_RATE
from training.scenes.script import NoiseColour, Room, Script, Voice

Wave = npt.NDArray[np.float32]

REFERENCE = 0.1
"""Root mean square of a voice with a gain of 0 dB, where it sounds."""

AUDIBLE = 0.03
"""Least root mean square, before its gain, of a voice in a second in which it sounds."""

PEAK = 0.97

_BLOCK = SAMPLE_RATE // 20
_LONGEST_GAP = 4
_NOISE_POOL = 1 << 19
_ROOMS = 16


def prepare(samples: Wave) -> Wave:
    """Return a recording at reference loudness with gaps of at most 0.2 s, ready for looping."""
    count = max(1, len(samples) // _BLOCK)
    blocks = np.resize(samples, (count, _BLOCK)).astype(np.float32)
    power = np.mean(blocks**2, axis=1)
    loud = float(np.sqrt(np.percentile(power, 90))) + 1e-9
    heard = np.sqrt(power) > 0.05 * loud
    kept, gap = [], 0
    for number, sounds in enumerate(heard):
        gap = 0 if sounds else gap + 1
        if gap <= _LONGEST_GAP:
            kept.append(number)
    wave = blocks[kept].reshape(-1)
    wave = _crossfaded(wave)
    return (wave * (REFERENCE / loud)).astype(np.float32)


def _crossfaded(wave: Wave) -> Wave:
    """Return the wave with its end blended into its start, so that it loops without a click."""
    length = min(_BLOCK, len(wave) // 4)
    ramp = np.linspace(0, 1, length, dtype=np.float32)
    body = wave[: len(wave) - length].copy()
    body[:length] = body[:length] * ramp + wave[len(wave) - length :] * (1 - ramp)
    return body


@dataclass(frozen=True, slots=True)
class VoiceRecording:
    """A voice and its prepared recording."""

    voice: Voice
    recording: Wave


def mix(script: Script, sounds: Sequence[VoiceRecording]) -> Wave:
    """Return the whole audio of a script, 16 kHz mono, within -1..1."""
    rng = np.random.default_rng([*script.seed, 2])
    room = script.room
    total = _floor(rng, script.seconds * SAMPLE_RATE, room)
    echo = _echo(room.reverb_seconds, int(rng.integers(_ROOMS))) if room.reverb_seconds else None
    for sound in sounds:
        gain = np.float32(10 ** (sound.voice.gain_db / 20))
        for start, end in _turns(sound.voice.schedule):
            take = _take(rng, sound.recording, end - start)
            if echo is not None:
                take = _in_room(take, echo)
            take *= _fades(rng, len(take))
            total[start * SAMPLE_RATE : end * SAMPLE_RATE] += gain * take
    total *= np.float32(10 ** (room.level_db / 20))
    peak = float(np.abs(total).max())
    return total * np.float32(PEAK / peak) if peak > PEAK else total


def _turns(schedule: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the runs of seconds (from, to) in which a voice sounds."""
    edges = np.flatnonzero(np.diff([0, *map(int, schedule), 0]))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _take(rng: np.random.Generator, recording: Wave, seconds: int) -> Wave:
    """Return a segment of a looped recording that is audible in each of its seconds."""
    best, best_level = np.zeros(seconds * SAMPLE_RATE, np.float32), -1.0
    for _ in range(6):
        start = int(rng.integers(len(recording)))
        copies = -(-(start + seconds * SAMPLE_RATE) // len(recording))
        take = np.tile(recording, copies)[start : start + seconds * SAMPLE_RATE]
        level = float(np.sqrt(np.mean(take.reshape(seconds, -1) ** 2, axis=1).min()))
        if level > best_level:
            best, best_level = take, level
        if level >= AUDIBLE:
            break
    return best


def _fades(rng: np.random.Generator, samples: int) -> Wave:
    ramp = int(rng.uniform(0.02, 0.04) * SAMPLE_RATE)
    rise = (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, ramp))).astype(np.float32)
    envelope = np.ones(samples, np.float32)
    envelope[:ramp] = rise
    envelope[samples - ramp :] = rise[::-1]
    return envelope


def _floor(rng: np.random.Generator, samples: int, room: Room) -> Wave:
    pool = _noise_pool(room.noise)
    start = int(rng.integers(len(pool)))
    level = np.float32(REFERENCE * 10 ** (-room.snr_db / 20))
    noise: Wave = np.take(pool, np.arange(start, start + samples), mode="wrap")
    return noise * level


@cache
def _noise_pool(colour: NoiseColour) -> Wave:
    """Return noise of unit power whose spectrum falls by 0, 3 or 6 dB per octave."""
    slope = {"white": 0.0, "pink": 0.5, "brown": 1.0}[colour]
    rng = np.random.default_rng(len(colour))
    spectrum = np.fft.rfft(rng.standard_normal(_NOISE_POOL))
    hertz = np.fft.rfftfreq(_NOISE_POOL, 1 / SAMPLE_RATE)
    spectrum *= np.where(hertz > 20, np.maximum(hertz, 20) ** -slope, 0)
    wave = np.fft.irfft(spectrum, _NOISE_POOL)
    pool: Wave = (wave / np.sqrt(np.mean(wave**2))).astype(np.float32)
    return pool


def _echo(seconds: float, number: int) -> Wave:
    """Return an impulse response: the direct sound, then noise that decays."""
    rng = np.random.default_rng(number)
    count = int(seconds * SAMPLE_RATE)
    tail = rng.standard_normal(count, dtype=np.float32)
    tail *= np.exp(-6.9 * np.arange(count, dtype=np.float32) / count)
    tail *= np.float32(rng.uniform(0.3, 0.8)) / np.sqrt(np.sum(tail**2))
    tail[: SAMPLE_RATE // 200] = 0
    tail[0] = 1
    return tail


def _in_room(take: Wave, echo: Wave) -> Wave:
    """Return a take with reverberation, at the same length and loudness."""
    count = 1 << (len(take) + len(echo) - 2).bit_length()
    spectrum = np.fft.rfft(take, count) * np.fft.rfft(echo, count)
    wet = np.fft.irfft(spectrum, count)[: len(take)]
    level = np.sqrt(np.mean(take**2) / (np.mean(wet**2) + 1e-12))
    same_level: Wave = (wet * level).astype(np.float32)
    return same_level
