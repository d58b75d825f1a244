"""The sound of film-like scenes, drawn apart from what is seen.

Axes: t seconds, h w pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ssuformer.contract import SAMPLE_RATE
from training.categories import SOMETHING, of_kind
from training.packs.material import FilmMaterial, read_recording
from training.scene import Split, Unseen
from training.scenes.mixing import Wave
from training.scenes.noises import noise, reverberated
from training.scenes.shots import Thing

LEAST_AREA = 0.003
"""Share of the frame below which a thing counts as not visible."""
ADULTS = ("person_speaking", "person_singing", "person_laughing", "person_shouting")
VOICES = (*ADULTS, "baby")
INSTRUMENTS = of_kind("instrument")
PERSONS = of_kind("person")
MUSIC = INSTRUMENTS | {"person_singing"}
LOUDNESS_DB = (-42.0, -6.0)
"""Range of a scene's level, root mean square below full scale."""


@dataclass(frozen=True, slots=True)
class Levelled:
    """A sound with its noise."""

    wave: Wave
    snr_db: float
    """Decibels of all that sounds above the noise; -inf if nothing sounds."""


class SoundTrack:
    """Mixes what sounds in a scene: one thing of it, two, something out of sight, or noise."""

    def __init__(self, material: FilmMaterial, split: Split, *, seconds: int) -> None:
        self.material, self.split, self.seconds = material, split, seconds

    def mixed(
        self, rng: np.random.Generator, things: list[Thing], masks: npt.NDArray[np.bool_]
    ) -> tuple[list[Thing], npt.NDArray[np.bool_], tuple[Unseen, ...], Levelled]:
        """Return the things as they sound, when they do, what else sounds, and the sound."""
        visible = masks.mean(axis=(2, 3)) >= LEAST_AREA
        able = [n for n in range(len(things)) if self._recordings(things[n]) and visible[n].any()]
        sounding = np.zeros((len(things), self.seconds), np.bool_)
        total = np.zeros(self.seconds * SAMPLE_RATE, np.float32)
        luck = rng.random()
        heard = [int(n) for n in rng.permutation(able)[: 2 if luck < 0.15 else 1]]
        heard = sorted({_largest_alike(n, things, masks) for n in heard})
        hidden = luck > 0.92
        if luck > 0.66 or not able:
            heard, hidden = [], luck < 0.9
        things = list(things)
        unseen: list[Unseen] = []
        for number in heard:
            name, wave = self._voice(rng, things[number])
            things[number] = replace(things[number], category=name)
            turns = _turns(rng, self.seconds)
            if (turns & ~visible[number]).any():
                unseen.append(Unseen(name, turns & ~visible[number]))
            total += _on(wave, turns, rng) * _gain(rng, -8, 0)
            sounding[number] = turns & visible[number]
            for other in self._accompaniment(rng, name, {thing.category for thing in things}):
                unseen.append(Unseen(other, turns))
                total += _on(self._recording(rng, other), turns, rng) * _gain(rng, -12, 0)
        if hidden:
            name = self._unseen(rng, {thing.category for thing in things})
            turns = _turns(rng, self.seconds)
            unseen.append(Unseen(name, turns))
            total += _on(self._recording(rng, name), turns, rng) * _gain(rng, -10, 0)
        if rng.random() < 0.4:
            total = reverberated(rng, total)
        return things, sounding, tuple(unseen), self._levelled(rng, total)

    def _levelled(self, rng: np.random.Generator, total: Wave) -> Levelled:
        """Return the sound with its noise, at the scene's level, within -1..1."""
        power = float(np.sqrt(np.mean(total**2)))
        snr_db = float(rng.uniform(3, 45)) if power > 0 else -math.inf
        floor = power * 10 ** (-snr_db / 20) if power > 0 else 0.05
        if power == 0 and rng.random() < 0.25:
            floor = 0.0
        total = total + floor * noise(rng, len(total))
        level = float(np.sqrt(np.mean(total**2)))
        if level > 0:
            total = total * np.float32(10 ** (float(rng.uniform(*LOUDNESS_DB)) / 20) / level)
        limit = (
            1.0 if rng.random() < 0.9 else float(rng.uniform(0.3, 1)) * float(np.abs(total).max())
        )
        return Levelled(np.clip(total, -limit, limit).astype(np.float32), snr_db)

    def _recordings(self, thing: Thing) -> Sequence[object]:
        return self.material.recordings.get(thing.category, ())

    def _voice(self, rng: np.random.Generator, thing: Thing) -> tuple[str, Wave]:
        """Return the category under which a thing sounds, and its recording."""
        name = thing.category
        if name in ADULTS:
            # What a person does, and how old one is, the sound tells.
            allowed = VOICES if self.split == "train" else ADULTS
            choices = [voice for voice in allowed if voice in self.material.recordings]
            if len(choices) > 1 and rng.random() < 0.2:
                name = str(rng.choice(choices))
        elif name != SOMETHING.name and rng.random() < 0.04:
            # A thing that makes a sound it never makes: nobody can say what that is.
            other = str(rng.choice(self.material.heard))
            if other not in PERSONS:
                return SOMETHING.name, self._recording(rng, other)
        return name, self._recording(rng, name)

    def _accompaniment(
        self, rng: np.random.Generator, name: str, shown: set[str]
    ) -> tuple[str, ...]:
        """Return instruments out of sight that play along, in half of the music trained on.

        Of an instrument in a band, audio classifiers often hear no more than music.
        """
        if self.split != "train" or name not in MUSIC or rng.random() < 0.5:
            return ()
        others = [other for other in self.material.heard if other in INSTRUMENTS - shown]
        count = min(int(rng.integers(1, 3)), len(others))
        return tuple(map(str, rng.choice(others, count, replace=False)))

    def _unseen(self, rng: np.random.Generator, shown: set[str]) -> str:
        """Return a category with recordings that is not in the picture."""
        if not shown & PERSONS and rng.random() < 0.35:
            return "person_speaking"
        names = [name for name in self.material.heard if name not in shown]
        if shown & PERSONS:
            names = [name for name in names if name not in PERSONS]
        return str(rng.choice(names))

    def _recording(self, rng: np.random.Generator, name: str) -> Wave:
        files = self.material.recordings[name]
        return read_recording(files[int(rng.integers(len(files)))])


def _largest_alike(number: int, things: Sequence[Thing], masks: npt.NDArray[np.bool_]) -> int:
    """Return the largest of the things that are of the category of this one."""
    alike = [n for n, thing in enumerate(things) if thing.category == things[number].category]
    return max(alike, key=lambda n: float(masks[n].mean()))


def _turns(rng: np.random.Generator, seconds: int) -> npt.NDArray[np.bool_]:
    """Return in which seconds something sounds: mostly in all, else in a run of them."""
    if rng.random() < 0.5:
        return np.ones(seconds, np.bool_)
    turns = rng.random(seconds) < 0.6
    turns[int(rng.integers(seconds))] = True
    return turns


def _gain(rng: np.random.Generator, low: float, high: float) -> np.float32:
    return np.float32(10 ** (float(rng.uniform(low, high)) / 20))


def _on(recording: Wave, turns: npt.NDArray[np.bool_], rng: np.random.Generator) -> Wave:
    """Return a looped recording where it is on, with short fades."""
    length = len(turns) * SAMPLE_RATE
    start = int(rng.integers(len(recording)))
    copies = -(-(start + length) // len(recording))
    wave = np.tile(recording, copies)[start : start + length]
    on = np.repeat(turns.astype(np.float32), SAMPLE_RATE)
    ramp = SAMPLE_RATE // 40
    gate = np.convolve(on, np.ones(ramp) / ramp, mode="same")
    return (wave * gate).astype(np.float32)
