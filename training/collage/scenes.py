"""Scenes of another composer: cut-outs that stand on a ground or hang in a grid, with sound.

They measure how much of a score is owed to the composer that a model was trained with. A scene is
480x360 like an ordinary film, squeezed to the model's square as the service does, and is fully
determined by its number. No model is trained on them.

Axes: t frames, h w pixels, k things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from ssuformer.errors import ConfigError
from training.collage import picture, sound
from training.collage.layout import Spot, places
from training.collage.picture import HEIGHT, WIDTH, Finish, Floats, Painted, Thing
from training.collage.scenery import Scenery
from training.packs.pack import Kind, PackItem
from training.scene import Scene, Source, Split, Unseen
from training.scenes.attributes import direction_of, place_of, size_of
from training.scenes.grammar import Category, Facts, Grammar

FEWEST_CATEGORIES = 4
"""Three in the picture and one outside it."""

SPLIT: Split = "test"

_SALT = 0xC0


class Pack(Protocol):
    """A source of cut-outs and recordings."""

    @property
    def categories(self) -> Sequence[Category]:
        """All categories of the pack."""

    def items(self, kind: Kind, category: str, split: Split) -> Sequence[PackItem]:
        """Return the items of a category that a split may use, in a stable order."""

    def sprite(self, item: PackItem) -> npt.NDArray[np.uint8]:
        """Return a cut-out, `[h w 4]` RGBA."""

    def sound(self, item: PackItem) -> npt.NDArray[np.float32]:
        """Return a recording, mono 16 kHz."""


@dataclass(frozen=True, slots=True)
class _Cast:
    """The categories of a scene: visible ones first."""

    names: tuple[str, ...]
    visible: int


class CollageScenes:
    """Scenes by number from the test material of a pack; the same number gives the same scene.

    `backgrounds` is a folder of photographs; without one the pictures are computed.
    Raises ConfigError if the pack has too few categories or the folder no photograph.
    """

    def __init__(
        self,
        pack: Pack,
        *,
        backgrounds: Path | None = None,
        size: int = FRAME_SIZE,
        seconds: int = 5,
        seed: int = 0,
    ) -> None:
        self.size, self.seconds, self.seed = size, seconds, seed
        self._scenery = Scenery(backgrounds)
        self._looks = {c.name: pack.items("sprite", c.name, SPLIT) for c in pack.categories}
        self._takes = {c.name: pack.items("sound", c.name, SPLIT) for c in pack.categories}
        self.categories: tuple[Category, ...] = tuple(
            c for c in pack.categories if self._looks[c.name] and self._takes[c.name]
        )
        if len(self.categories) < FEWEST_CATEGORIES:
            raise ConfigError(
                f"the pack has {len(self.categories)} categories with test cut-outs and test "
                f"recordings; a collage needs {FEWEST_CATEGORIES}",
                limit=FEWEST_CATEGORIES,
                actual=len(self.categories),
            )
        self.grammar = Grammar(self.categories)
        self._sprite = lru_cache(256)(lambda item: picture.cut(pack.sprite(item)))
        self._recording = lru_cache(256)(pack.sound)

    def compose(self, index: int) -> Scene:
        """Return a scene: the frame in the middle of each second, its audio, its ground truth."""
        rng = np.random.default_rng([_SALT, self.seed, index])
        cast = self._cast(rng)
        mixture = self._mixture(rng, cast)
        things, painted = self._film(rng, cast)
        grain = float(rng.uniform(0, 5))
        frames = [picture.filmed(rng, view.light, grain=grain) for view in painted]
        return Scene(
            frames=np.stack([picture.squeezed(frame, self.size) for frame in frames]),
            waveform=mixture.samples.reshape(self.seconds, SAMPLE_RATE),
            sources=tuple(self._sources(cast, things, painted, mixture.heard)),
            unseen=tuple(
                Unseen(name, heard)
                for name, heard in zip(
                    cast.names[cast.visible :], mixture.heard[cast.visible :], strict=True
                )
                if heard.any()
            ),
        )

    def _cast(self, rng: np.random.Generator) -> _Cast:
        visible = int(rng.integers(2, 4))
        hidden = int(rng.random() < 0.6)
        chosen = rng.choice(len(self.categories), visible + hidden, replace=False)
        return _Cast(tuple(self.categories[int(i)].name for i in chosen), visible)

    def _mixture(self, rng: np.random.Generator, cast: _Cast) -> sound.Mixture:
        played = sound.plan(
            rng,
            visible=cast.visible,
            hidden=len(cast.names) - cast.visible,
            seconds=self.seconds,
        )
        parts = [
            sound.Part(self._recording(_any(rng, self._takes[name])), when)
            for name, when in zip(cast.names, played, strict=True)
        ]
        return sound.mix(rng, parts, self.seconds)

    def _film(self, rng: np.random.Generator, cast: _Cast) -> tuple[list[Thing], list[Painted]]:
        """Return the things and the picture in the middle of each second."""
        scenery = self._scenery.picture(rng)
        looks = [self._sprite(_any(rng, self._looks[n])) for n in cast.names[: cast.visible]]
        spots = places(rng, [(look.shape[1], look.shape[0]) for look in looks])
        things = [_thing(rng, look, spot, scenery) for look, spot in zip(looks, spots, strict=True)]
        middles = (np.arange(self.seconds) + 0.5) / self.seconds
        order = sorted(range(len(things)), key=lambda k: spots[k].depth)
        back = np.argsort(order)
        painted = [
            picture.paint(scenery, [things[k] for k in order], float(share)) for share in middles
        ]
        return things, [Painted(view.light, view.visible[back]) for view in painted]

    def _sources(
        self,
        cast: _Cast,
        things: Sequence[Thing],
        painted: Sequence[Painted],
        heard: Sequence[sound.Heard],
    ) -> list[Source]:
        sources = []
        for number, thing in enumerate(things):
            masks = np.stack(
                [picture.squeezed_mask(view.visible[number], self.size) for view in painted]
            )
            sentences = tuple(
                self._sentence(cast, thing, mask, number, [h[second] for h in heard])
                for second, mask in enumerate(masks)
            )
            sources.append(Source(cast.names[number], masks, heard[number], sentences))
        return sources

    def _sentence(
        self,
        cast: _Cast,
        thing: Thing,
        mask: npt.NDArray[np.bool_],
        number: int,
        heard: Sequence[np.bool_],
    ) -> str:
        if not heard[number]:
            return ""
        others = [
            n for n, h in zip(cast.names, heard, strict=True) if h and n != cast.names[number]
        ]
        start, end = ((x / WIDTH, y / HEIGHT) for x, y in (thing.start, thing.end))
        return self.grammar.say(
            Facts(
                category=cast.names[number],
                where=place_of(mask),
                company=others[0] if others else None,
                size=size_of(mask),
                colour=thing.cutout.colour,
                direction=direction_of(start, end, self.seconds),
            )
        )


def _any(rng: np.random.Generator, items: Sequence[PackItem]) -> PackItem:
    return items[int(rng.integers(len(items)))]


def _thing(rng: np.random.Generator, look: picture.Pixels, spot: Spot, scenery: Floats) -> Thing:
    """Return a cut-out at its place, fitted to the part of the picture around it."""
    x, y = spot.start
    reach = spot.height / 2
    top, left = (int(max(0.0, v)) for v in (y - 2 * reach, x - reach))
    around = scenery[top : int(y) + 8, left : int(x + reach) + 8]
    finish = Finish(
        flip=bool(rng.random() < 0.5),
        blur=float(rng.uniform(0.3, 1.0)),
        tone=float(rng.uniform(0.1, 0.35)),
    )
    cutout = picture.fitted(look, spot.height, finish=finish, surroundings=around)
    return Thing(cutout, spot.start, spot.end, spot.shadow)
