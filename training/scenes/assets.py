"""The assets of one split, prepared for rendering and mixing."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssuformer.errors import ConfigError
from training.packs.pack import Kind, PackItem
from training.scene import Profile, Split
from training.scenes.backgrounds import background
from training.scenes.grammar import Category
from training.scenes.mixing import Wave, prepare

FEWEST_CATEGORIES = 5
"""Four in the picture and one outside it."""

_BORDER = 2


class Pack(Protocol):
    """A source of cut-outs and recordings."""

    @property
    def categories(self) -> Sequence[Category]:
        """All categories of the pack."""

    def items(self, kind: Kind, category: str, split: Split) -> Sequence[PackItem]:
        """Return the items of a category that a split may use, in a stable order."""

    def sprite(self, item: PackItem) -> npt.NDArray[np.uint8]:
        """Return a cut-out, `[h w 4]` RGBA."""

    def sound(self, item: PackItem) -> Wave:
        """Return a recording, mono 16 kHz."""


class Props:
    """Cut-outs, recordings and backgrounds of one split; read on first use."""

    def __init__(self, pack: Pack, split: Split, profile: Profile | None, *, seed: int) -> None:
        self._pack, self._split, self._seed = pack, split, seed
        wanted = [c for c in pack.categories if profile in (None, c.profile)]
        self._looks = {c.name: pack.items("sprite", c.name, split) for c in wanted}
        self._takes = {c.name: pack.items("sound", c.name, split) for c in wanted}
        self.categories: tuple[Category, ...] = tuple(
            c for c in wanted if self._looks[c.name] and self._takes[c.name]
        )
        self.names = tuple(c.name for c in self.categories)
        if len(self.names) < FEWEST_CATEGORIES:
            raise ConfigError(
                f"the pack has {len(self.names)} categories with cut-outs and recordings for "
                f"split {split!r}, profile {profile or 'any'}; a scene needs {FEWEST_CATEGORIES}",
                limit=FEWEST_CATEGORIES,
                actual=len(self.names),
            )
        self._open()

    def __getstate__(self) -> dict[str, object]:
        caches = ("_sprite", "recording", "background")
        return {name: value for name, value in self.__dict__.items() if name not in caches}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._open()

    def _open(self) -> None:
        self._sprite = lru_cache(1024)(self._read_sprite)
        self.recording = lru_cache(256)(self._read_recording)
        self.background = lru_cache(192)(self._draw_background)

    def sprite_count(self, category: str) -> int:
        """Return how many cut-outs there are of a category."""
        return len(self._looks[category])

    def recording_count(self, category: str) -> int:
        """Return how many recordings there are of a category."""
        return len(self._takes[category])

    def sprite_size(self, category: str, number: int) -> tuple[int, int]:
        """Return width and height of a cut-out."""
        return self._sprite(category, number, 0).size

    def sprite(self, category: str, number: int, length: float) -> Image.Image:
        """Return a cut-out whose longest side has at least `length` pixels, if available.

        It has no empty margin, only a thin border to blend over.
        """
        width, height = self.sprite_size(category, number)
        return self._sprite(category, number, int(math.log2(max(1.0, max(width, height) / length))))

    def _read_sprite(self, category: str, number: int, halvings: int) -> Image.Image:
        if halvings > 0:
            whole = self._sprite(category, number, halvings - 1)
            return whole.resize(
                (max(1, whole.width // 2), max(1, whole.height // 2)), Image.Resampling.BOX
            )
        pixels = self._pack.sprite(self._looks[category][number])
        rows = np.flatnonzero((pixels[..., 3] > 8).any(axis=1))
        columns = np.flatnonzero((pixels[..., 3] > 8).any(axis=0))
        if not len(rows):
            raise ConfigError(f"cut-out {self._looks[category][number].path} is empty")
        tight = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        edges = ((_BORDER, _BORDER), (_BORDER, _BORDER), (0, 0))
        return Image.fromarray(np.pad(tight, edges))

    def _read_recording(self, category: str, number: int) -> Wave:
        return prepare(self._pack.sound(self._takes[category][number]))

    def _draw_background(self, number: int, side: int) -> npt.NDArray[np.uint8]:
        return background((self._seed, split_number(self._split), number), side)


def split_number(split: Split) -> int:
    """Return the number of a split for use in seeds."""
    return zlib.crc32(split.encode())
