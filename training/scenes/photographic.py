"""Scenes like films: things in their own surroundings, close and far, and sound from elsewhere.

A scene has one shot, or two with a cut between them. A shot shows a photograph of a thing, a
player with an instrument, or a background, with up to three cut-outs over it, under a slow camera.
What sounds is drawn apart from what is seen: a thing of the shot, two of them, something out of
sight, noise, or nothing. Of two alike the larger one sounds: nothing else could tell.

Axes: t seconds, h w pixels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from training.packs.material import FilmMaterial
from training.scene import Scene, Source, Split
from training.scenes.assets import split_number
from training.scenes.attributes import direction_of, place_of, size_of
from training.scenes.film_look import FilmLook
from training.scenes.film_sound import SoundTrack
from training.scenes.grammar import Facts
from training.scenes.shots import Camera, Thing
from training.scenes.unnamed import UNNAMED

MOST_SOURCES = 4
_CUT_SHARE = 0.15
"""Of the scenes of more than a second."""


class PhotographicScenes:
    """Scenes by number; the same number gives the same scene."""

    def __init__(
        self,
        material: FilmMaterial,
        split: Split,
        *,
        size: int = FRAME_SIZE,
        seconds: int = 5,
        seed: int = 0,
    ) -> None:
        self.split, self.size, self.seconds, self.seed = split, size, seconds, seed
        self._camera = Camera(material, size=size, seed=seed)
        self._sound = SoundTrack(material, split, seconds=seconds)

    def _shots(self, chance: float) -> int:
        return 2 if chance < _CUT_SHARE and self.seconds > 1 else 1

    def compose(self, index: int) -> Scene:
        """Return a scene: the middle of each second, its audio, its ground truth."""
        rng = np.random.default_rng([self.seed, split_number(self.split), 7, index])
        shots = [self._camera.shot(rng) for _ in range(self._shots(rng.random()))]
        cut = int(rng.integers(1, self.seconds)) if len(shots) > 1 else self.seconds
        owner = [shot for shot in shots for _ in shot.things]
        things = [thing for shot in shots for thing in shot.things][:MOST_SOURCES]
        frames, masks = [], np.zeros((len(things), self.seconds, self.size, self.size), np.bool_)
        look = FilmLook.draw(rng)
        for second in range(self.seconds):
            shot = shots[0] if second < cut else shots[-1]
            picture, found = self._camera.frame(shot, (second + 0.5) / self.seconds)
            frames.append(look.applied(picture, rng))
            mine = [n for n in range(len(things)) if owner[n] is shot]
            for number, mask in zip(mine, found, strict=False):
                masks[number, second] = mask
        things, sounding, unseen, track = self._sound.mixed(rng, things, masks)
        return Scene(
            frames=np.stack(frames),
            waveform=track.wave.reshape(self.seconds, SAMPLE_RATE),
            sources=tuple(
                Source(
                    category=thing.category,
                    masks=masks[number],
                    sounding=sounding[number],
                    sentences=self._sentences(number, thing, masks, sounding),
                )
                for number, thing in enumerate(things)
            ),
            unseen=unseen,
            shots=(np.arange(self.seconds) >= cut).astype(np.int64),
            snr_db=track.snr_db,
        )

    def _sentences(
        self,
        number: int,
        thing: Thing,
        masks: npt.NDArray[np.bool_],
        sounding: npt.NDArray[np.bool_],
    ) -> tuple[str, ...]:
        said = []
        for second in range(self.seconds):
            if not sounding[number, second]:
                said.append("")
                continue
            mask = masks[number, second]
            company = sounding[:, second].sum() > 1
            said.append(
                UNNAMED.say(
                    Facts(
                        category="thing",
                        where=place_of(mask),
                        company="other" if company else None,
                        size=size_of(mask),
                        colour=thing.colour,
                        direction=direction_of(thing.start, thing.end, self.seconds),
                    )
                )
            )
        return tuple(said)
