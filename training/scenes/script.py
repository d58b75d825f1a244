"""Scripts of composed clips, in continuous time and relative sizes, before rendering.

Lengths are relative: positions to the width and the height of the film, an actor's size to the
square root of the film's area, so that one script fits any frame size and aspect.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from training.scene import Split

NoiseColour = Literal["white", "pink", "brown"]
Shaking = Literal["never", "sounding", "always"]

SHAKE_SHIFT = 0.008
SHAKE_DEGREES = 3.0
SHAKE_HERTZ = 6.3


@dataclass(frozen=True, slots=True)
class Pose:
    """An actor's pose at one time: centre, longest side, degrees counter-clockwise."""

    x: float
    y: float
    size: float
    degrees: float


@dataclass(frozen=True, slots=True)
class Motion:
    """A path from `start` to `end` over the whole clip, with optional hops, wobble and growth."""

    start: tuple[float, float]
    end: tuple[float, float]
    size: float
    growth: float = 1.0
    """Size at the end over size at the start; `size` is the geometric mean of both."""
    degrees: float = 0.0
    wobble: float = 0.0
    hop: float = 0.0
    hertz: float = 0.4
    phase: float = 0.0

    def pose(self, share: float, seconds: float) -> Pose:
        """Return the pose at `share` (0..1) of the clip, which is `seconds` after its start."""
        turn = 2 * math.pi * (self.hertz * seconds + self.phase)
        return Pose(
            x=self.start[0] + (self.end[0] - self.start[0]) * share,
            y=self.start[1]
            + (self.end[1] - self.start[1]) * share
            - self.hop * abs(math.sin(turn / 2)),
            size=self.size * self.growth ** (share - 0.5),
            degrees=self.degrees + self.wobble * math.sin(turn),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """Modifications of a cut-out."""

    flip: bool = False
    brightness: float = 0.0
    """Added, as a share of full scale."""
    contrast: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.0
    """Radius as a share of the actor's size."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A sound of an actor: recording, loudness, and seconds in which it sounds."""

    category: str
    recording: int
    gain_db: float
    schedule: tuple[bool, ...]

    def sounds_at(self, seconds: float) -> bool:
        """Return whether it sounds at this moment."""
        return self.schedule[min(max(int(seconds), 0), len(self.schedule) - 1)]


@dataclass(frozen=True, slots=True)
class Actor:
    """An object in the picture: its voice, cut-out, look and motion."""

    voice: Voice
    sprite: int
    look: Look
    motion: Motion
    shaking: Shaking = "never"


@dataclass(frozen=True, slots=True)
class Backdrop:
    """The background, its visible part (left, top, right, bottom; 0..1) and its tint."""

    number: int
    box: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    flip: bool = False
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Camera:
    """A hand-held camera: amplitude, relative to the frame, and speed."""

    sway: float = 0.0
    hertz: float = 0.3
    phase: float = 0.0
    noise: float = 0.0
    """Standard deviation of the sensor noise, in grey levels."""
    jpeg_quality: int | None = None

    def offset(self, seconds: float) -> tuple[float, float]:
        """Return the shift of the whole picture right and down at this time."""
        turn = 2 * math.pi * (self.hertz * seconds + self.phase)
        return self.sway * math.sin(turn), self.sway * math.cos(1.37 * turn)


@dataclass(frozen=True, slots=True)
class Room:
    """The acoustics: noise floor, reverberation, overall level."""

    snr_db: float = 40.0
    noise: NoiseColour = "pink"
    reverb_seconds: float = 0.0
    """Time in which the reverberation falls by 60 dB; 0 for none."""
    level_db: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """A clip before it is rendered; it is fully determined by `seed`."""

    seed: tuple[int, ...]
    split: Split
    seconds: int
    aspect: float
    """Width over height of the film."""
    backdrop: Backdrop
    camera: Camera
    room: Room
    actors: tuple[Actor, ...]
    """Back to front."""
    unseen: tuple[Voice, ...] = ()
    """Voices that are audible but not visible."""

    @property
    def voices(self) -> tuple[Voice, ...]:
        """All voices, the actors' first."""
        return (*(actor.voice for actor in self.actors), *self.unseen)

    def pose(self, actor: Actor, seconds: float) -> Pose:
        """Return the pose of `actor` at a time, in camera coordinates."""
        pose = actor.motion.pose(seconds / self.seconds, seconds)
        right, down = self.camera.offset(seconds)
        shakes = actor.shaking == "always" or (
            actor.shaking == "sounding" and actor.voice.sounds_at(seconds)
        )
        turn = 2 * math.pi * SHAKE_HERTZ * seconds if shakes else 0.0
        return Pose(
            x=pose.x + right + SHAKE_SHIFT * math.sin(turn),
            y=pose.y + down + SHAKE_SHIFT * math.sin(1.7 * turn),
            size=pose.size,
            degrees=pose.degrees + SHAKE_DEGREES * math.sin(1.3 * turn),
        )

    def heard(self, second: int) -> tuple[Voice, ...]:
        """Return the voices that sound in a second, including invisible ones."""
        return tuple(voice for voice in self.voices if voice.schedule[second])


def has_silence(script: Script) -> bool:
    """Return whether at least one second is silent."""
    return any(not script.heard(second) for second in range(script.seconds))


def has_duet(script: Script) -> bool:
    """Return whether two sources sound at once in at least one second."""
    return any(len(script.heard(second)) > 1 for second in range(script.seconds))


def has_change(script: Script) -> bool:
    """Return whether the set of visible sounding sources changes mid-clip."""
    heard = [_visible(script.actors, second) for second in range(script.seconds)]
    return len({names for names in heard if names}) > 1


def has_solo(script: Script) -> bool:
    """Return whether one visible source sounds throughout, and nothing else."""
    heard = [_visible(script.actors, second) for second in range(script.seconds)]
    alone = all(len(script.heard(second)) == 1 for second in range(script.seconds))
    return alone and len(set(heard)) == 1 and bool(heard[0])


def has_distractor(script: Script) -> bool:
    """Return whether an object in the picture never sounds."""
    return any(not any(actor.voice.schedule) for actor in script.actors)


def _visible(actors: Sequence[Actor], second: int) -> frozenset[str]:
    return frozenset(a.voice.category for a in actors if a.voice.schedule[second])
