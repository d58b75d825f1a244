"""Draw random scripts: which actors are visible, which sound when, and how they move."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from training.scene import Split
from training.scenes.script import (
    Actor,
    Backdrop,
    Camera,
    Look,
    Motion,
    NoiseColour,
    Room,
    Script,
    Shaking,
    Voice,
)

BACKDROPS = 96
"""Number of backgrounds of a split."""

ASPECTS = (16 / 9, 4 / 3, 9 / 16)
SMALLEST, LARGEST = 0.2, 0.6
MOST_COVERED = 0.4
"""Share of an actor's box that actors in front of it may cover."""

_PLACING_ATTEMPTS = 12
_REACH = {"drift": (0.3, 1.0), "hop": (0.3, 1.0), "wobble": (0.0, 0.05), "grow": (0.0, 0.05)}
"""Share of the way to a random place that a kind of motion covers."""


class Casting(Protocol):
    """Properties of the assets that a screenwriter needs."""

    @property
    def names(self) -> Sequence[str]:
        """The available categories."""

    def sprite_count(self, category: str) -> int:
        """Return how many cut-outs there are of a category."""

    def sprite_size(self, category: str, number: int) -> tuple[int, int]:
        """Return width and height of a cut-out."""

    def recording_count(self, category: str) -> int:
        """Return how many recordings there are of a category."""


@dataclass(frozen=True, slots=True)
class Screenwriter:
    """Draws a script from a seed and the available assets."""

    casting: Casting
    split: Split
    seconds: int

    def write(self, seed: tuple[int, ...], *, aspect: float | None = None) -> Script:
        """Return the script of a seed; `aspect` overrides the drawn one."""
        rng = np.random.default_rng([*seed, 0])
        drawn = 1.0 if rng.random() < 0.5 else ASPECTS[int(rng.integers(3))]
        camera = _camera(rng)
        voices, unseen = self._voices(rng)
        return Script(
            seed=seed,
            split=self.split,
            seconds=self.seconds,
            aspect=aspect or drawn,
            backdrop=_backdrop(rng),
            camera=camera,
            room=_room(rng),
            actors=self._place(rng, voices, aspect or drawn),
            unseen=unseen,
        )

    def _voices(self, rng: np.random.Generator) -> tuple[list[Voice], tuple[Voice, ...]]:
        visible = int(rng.choice((2, 3, 4), p=(0.3, 0.45, 0.25)))
        hidden = int(rng.random() < 0.16)
        chosen = rng.choice(len(self.casting.names), visible + hidden, replace=False)
        names = [self.casting.names[int(i)] for i in chosen]
        quiet = 0 if rng.random() < 0.2 else 1
        speakers = [*range(quiet, visible), *range(visible, visible + hidden)]
        lines = schedule(rng, len(speakers), self.seconds)
        silent = (False,) * self.seconds
        voices = [
            Voice(
                category=name,
                recording=int(rng.integers(self.casting.recording_count(name))),
                gain_db=float(rng.uniform(-6, 3)),
                schedule=lines[speakers.index(i)] if i in speakers else silent,
            )
            for i, name in enumerate(names)
        ]
        front = [voices[int(i)] for i in rng.permutation(visible)]
        return front, tuple(voice for voice in voices[visible:] if any(voice.schedule))

    def _place(
        self, rng: np.random.Generator, voices: Sequence[Voice], aspect: float
    ) -> tuple[Actor, ...]:
        largest = LARGEST if len(voices) < 4 else 0.8 * LARGEST
        actors: list[Actor] = []
        tracks: list[Track] = []
        for voice in voices:
            sprite = int(rng.integers(self.casting.sprite_count(voice.category)))
            width, height = self.casting.sprite_size(voice.category, sprite)
            size = float(rng.uniform(SMALLEST, largest))
            for _ in range(_PLACING_ATTEMPTS):
                motion = _motion(rng, size, (width, height), aspect)
                candidate = track(motion, (width, height), aspect=aspect, seconds=self.seconds)
                if not _hides(tracks, candidate):
                    break
                size = max(SMALLEST, 0.9 * size)
            actors.append(Actor(voice, sprite, _look(rng), motion, _shaking(rng)))
            tracks.append(candidate)
        return tuple(actors)


def schedule(rng: np.random.Generator, voices: int, seconds: int) -> list[tuple[bool, ...]]:
    """Return for every voice the seconds in which it sounds: alone, in pairs, or none."""
    lines = np.zeros((voices, seconds), dtype=np.bool_)
    if rng.random() < 0.05:
        return [tuple(map(bool, line)) for line in lines]
    start, before = 0, frozenset[int]()
    while start < seconds:
        now = _turn(rng, voices)
        if now == before and rng.random() < 0.8:
            continue
        end = start + int(rng.choice((1, 2, 3, seconds), p=(0.3, 0.35, 0.2, 0.15)))
        lines[sorted(now), start:end] = True
        start, before = end, now
    return [tuple(map(bool, line)) for line in lines]


def _turn(rng: np.random.Generator, voices: int) -> frozenset[int]:
    luck = rng.random()
    count = 0 if luck < 0.08 else 1 if luck < 0.66 or voices < 2 else 2
    return frozenset(int(i) for i in rng.choice(voices, count, replace=False))


Box = tuple[float, float, float, float]
Track = list[Box]


def extent(
    size: float, degrees: float, sprite: tuple[int, int], aspect: float
) -> tuple[float, float]:
    """Return width and height of an actor's box, relative to the film's."""
    unit = size / max(sprite)
    cos, sin = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    width, height = sprite[0] * unit, sprite[1] * unit
    return (
        (cos * width + sin * height) / math.sqrt(aspect),
        (sin * width + cos * height) * math.sqrt(aspect),
    )


def track(motion: Motion, sprite: tuple[int, int], *, aspect: float, seconds: int) -> Track:
    """Return an actor's box (left, top, right, bottom) every half second."""
    boxes = []
    for half in range(2 * seconds + 1):
        pose = motion.pose(half / (2 * seconds), half / 2)
        width, height = extent(pose.size, pose.degrees, sprite, aspect)
        x, y = pose.x, pose.y
        boxes.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    return boxes


def _hides(tracks: Sequence[Track], front: Track) -> bool:
    """Return whether `front` ever covers too much of an actor behind it."""
    for moment, box in enumerate(front):
        for number, behind in enumerate(tracks):
            covered = sum(
                _overlap(behind[moment], other[moment]) for other in tracks[number + 1 :]
            ) + _overlap(behind[moment], box)
            if covered > MOST_COVERED:
                return True
    return False


def _overlap(box: Box, cover: Box) -> float:
    """Return the share of `box` that `cover` covers."""
    width = min(box[2], cover[2]) - max(box[0], cover[0])
    height = min(box[3], cover[3]) - max(box[1], cover[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / ((box[2] - box[0]) * (box[3] - box[1]))


def _motion(
    rng: np.random.Generator, size: float, sprite: tuple[int, int], aspect: float
) -> Motion:
    """Draw a motion that keeps most of the actor in the picture."""
    degrees = float(rng.uniform(-20, 20)) if rng.random() < 0.6 else 0.0
    width, height = (min(0.45 * side, 0.48) for side in extent(size, degrees, sprite, aspect))
    low, high = np.array((width, height)), np.array((1 - width, 1 - height))
    start, end = rng.uniform(low, high), rng.uniform(low, high)
    kind = rng.choice(("still", "drift", "hop", "wobble", "grow"), p=(0.35, 0.3, 0.1, 0.15, 0.1))
    near, far = _REACH.get(str(kind), (0.0, 0.0))
    reach = float(rng.uniform(near, far))
    end = start + reach * (end - start)
    still = Motion(
        start=(float(start[0]), float(start[1])),
        end=(float(end[0]), float(end[1])),
        size=size,
        degrees=degrees,
        hertz=float(rng.uniform(0.15, 0.7)),
        phase=float(rng.random()),
    )
    if kind == "hop":
        return replace(still, hop=float(rng.uniform(0.3, 1)) * min(0.12, 0.7 * float(start[1])))
    if kind == "wobble":
        return replace(still, wobble=float(rng.uniform(4, 12)))
    if kind == "grow":
        return replace(still, growth=float(rng.choice((0.7, 0.8, 1.25, 1.45))))
    return still


def _shaking(rng: np.random.Generator) -> Shaking:
    luck = rng.random()
    return "sounding" if luck < 0.5 else "always" if luck < 0.65 else "never"


def _look(rng: np.random.Generator) -> Look:
    r, g, b = rng.uniform(0.92, 1.08, 3)
    return Look(
        flip=bool(rng.random() < 0.5),
        brightness=float(rng.uniform(-0.08, 0.08)),
        contrast=float(rng.uniform(0.8, 1.15)),
        tint=(float(r), float(g), float(b)),
        blur=float(rng.uniform(0.004, 0.02)) if rng.random() < 0.25 else 0.0,
    )


def _backdrop(rng: np.random.Generator) -> Backdrop:
    share = float(rng.uniform(0.5, 1.0))
    left, top = (1 - share) * rng.random(2)
    r, g, b = rng.uniform(0.85, 1.15) * rng.uniform(0.93, 1.07, 3)
    return Backdrop(
        number=int(rng.integers(BACKDROPS)),
        box=(float(left), float(top), float(left) + share, float(top) + share),
        flip=bool(rng.random() < 0.5),
        tint=(float(r), float(g), float(b)),
    )


def _camera(rng: np.random.Generator) -> Camera:
    return Camera(
        sway=float(rng.uniform(0.003, 0.02)) if rng.random() < 0.4 else 0.0,
        hertz=float(rng.uniform(0.1, 0.5)),
        phase=float(rng.random()),
        noise=float(rng.uniform(1, 7)) if rng.random() < 0.7 else 0.0,
        jpeg_quality=int(rng.integers(30, 90)) if rng.random() < 0.3 else None,
    )


def _room(rng: np.random.Generator) -> Room:
    colours: tuple[NoiseColour, ...] = ("white", "pink", "brown")
    return Room(
        snr_db=float(rng.uniform(15, 40)),
        noise=colours[int(rng.choice(3, p=(0.25, 0.55, 0.2)))],
        reverb_seconds=float(rng.uniform(0.15, 0.6)) if rng.random() < 0.3 else 0.0,
        level_db=float(rng.uniform(-10, 3)),
    )
