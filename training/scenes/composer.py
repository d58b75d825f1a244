"""Compose scenes by number: from cut-outs, recordings and a seed to frames, audio and truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from training.scene import Profile, Scene, Source, Split, Unseen
from training.scenes.assets import Pack, Props, split_number
from training.scenes.attributes import colour_of, direction_of, place_of, size_of
from training.scenes.grammar import Colour, Facts, Grammar
from training.scenes.mixing import VoiceRecording, Wave, mix
from training.scenes.raster import Raster, RenderedFrame, longest
from training.scenes.screenwriter import Screenwriter
from training.scenes.script import Actor, Look, Script

BACKGROUND_SIDE = 320
LEAST_VISIBLE = 0.4
"""Share of an actor that has to be visible in every frame, or the script is redrawn."""

_REDRAWS = 5
_SKETCH = (48, 48)
_BLANK = np.zeros((8, 8, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Take:
    """A script with the assets needed to render it at one size."""

    script: Script
    raster: Raster
    colours: tuple[Colour | None, ...]
    """Per actor, as it looks in this take."""


class Composer:
    """Scenes of one split, by number; the same number gives the same scene, byte for byte."""

    def __init__(
        self,
        pack: Pack,
        split: Split,
        profile: Profile | None = None,
        *,
        size: int = FRAME_SIZE,
        seconds: int = 5,
        seed: int = 0,
    ) -> None:
        self.split, self.size, self.seconds, self.seed = split, size, seconds, seed
        self.props = Props(pack, split, profile, seed=seed)
        self.grammar = Grammar(self.props.categories)

    def compose(self, index: int) -> Scene:
        """Return a scene: the frame in the middle of each second, its audio, its ground truth."""
        side = (self.size, self.size)
        take = self.take(self.script(index), side, background_side=BACKGROUND_SIDE)
        pictures = [take.raster.picture(second + 0.5) for second in range(self.seconds)]
        return Scene(
            frames=np.stack([picture.rgb for picture in pictures]),
            waveform=self.sound(take.script).reshape(self.seconds, SAMPLE_RATE),
            sources=tuple(self.sources(take, pictures)),
            unseen=tuple(
                Unseen(voice.category, np.array(voice.schedule, np.bool_))
                for voice in take.script.unseen
            ),
            shots=np.zeros(self.seconds, np.int64),
            snr_db=take.script.room.snr_db,
        )

    def script(self, index: int, *, aspect: float | None = None) -> Script:
        """Return the script of scene `index`; `aspect` overrides the film's width over height."""
        writer = Screenwriter(self.props, self.split, self.seconds)
        for redraw in range(_REDRAWS):
            script = writer.write(
                (self.seed, split_number(self.split), index, redraw), aspect=aspect
            )
            if self._legible(script):
                break
        return script

    def find(
        self, *wanted: Callable[[Script], bool], start: int = 0, aspect: float | None = None
    ) -> Iterator[Script]:
        """Yield the scripts from number `start` on that have every wanted property."""
        index = start
        while True:
            script = self.script(index, aspect=aspect)
            if all(has(script) for has in wanted):
                yield script
            index += 1

    def take(self, script: Script, size: tuple[int, int], *, background_side: int) -> Take:
        """Prepare a script for rendering at `size` (height, width)."""
        scenery = self.props.background(script.backdrop.number, background_side)
        sprites = self._sprites(script, size)
        raster = Raster(script, sprites=sprites, background=scenery, size=size)
        return Take(script, raster, tuple(colour_of(sprite) for sprite in raster.sprites))

    def sound(self, script: Script) -> Wave:
        """Return the whole audio of a script."""
        return mix(
            script,
            [
                VoiceRecording(voice, self.props.recording(voice.category, voice.recording))
                for voice in script.voices
                if any(voice.schedule)
            ],
        )

    def sources(self, take: Take, pictures: Sequence[RenderedFrame]) -> Iterator[Source]:
        """Yield the ground truth of every actor; `pictures` shows the middle of each second."""
        for number, actor in enumerate(take.script.actors):
            yield Source(
                category=actor.voice.category,
                masks=np.stack([picture.mask(number) for picture in pictures]),
                sounding=np.array(actor.voice.schedule, dtype=np.bool_),
                sentences=tuple(
                    self._sentence(take, actor, second, picture, number)
                    for second, picture in enumerate(pictures)
                ),
            )

    def _sprites(self, script: Script, size: tuple[int, int]) -> list[Image.Image]:
        return [
            self.props.sprite(actor.voice.category, actor.sprite, longest(actor, size))
            for actor in script.actors
        ]

    def _sentence(
        self, take: Take, actor: Actor, second: int, picture: RenderedFrame, number: int
    ) -> str:
        if not actor.voice.schedule[second]:
            return ""
        mask = picture.mask(number)
        others = [v.category for v in take.script.heard(second) if v is not actor.voice]
        return self.grammar.say(
            Facts(
                category=actor.voice.category,
                where=place_of(mask),
                company=others[0] if others else None,
                size=size_of(mask),
                colour=take.colours[number],
                direction=direction_of(actor.motion.start, actor.motion.end, take.script.seconds),
            )
        )

    def _legible(self, script: Script) -> bool:
        """Return whether enough of every actor is visible in the middle of every second."""
        plain = replace(
            script,
            camera=replace(script.camera, noise=0.0, jpeg_quality=None),
            actors=tuple(replace(a, look=Look(flip=a.look.flip)) for a in script.actors),
        )
        sketch = Raster(
            plain, sprites=self._sprites(script, _SKETCH), background=_BLANK, size=_SKETCH
        )
        return all(
            _shows_everything(sketch.picture(second + 0.5)) for second in range(script.seconds)
        )


def _shows_everything(picture: RenderedFrame) -> bool:
    """Return whether enough of every actor is visible."""
    shown = np.bincount(picture.actor.ravel(), minlength=len(picture.areas) + 1)[1:]
    return all(v >= LEAST_VISIBLE * area > 0 for v, area in zip(shown, picture.areas, strict=True))
