"""Filmed clips as scenes: what the readers of all folder layouts have in common.

Axes: t frames, h w pixels of the film, y x pixels of a scene.
"""

from __future__ import annotations

import copy
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ValidationError

from ssuformer.clip import Clip, Sampling, read_clip
from ssuformer.contract import FRAME_SIZE
from ssuformer.errors import ClipError, ConfigError, wrong_fields
from training.batch import MAX_SOURCES
from training.categories import SOMETHING
from training.data.names import name_for
from training.scene import Scene
from training.scenes.grammar import Category

Told = Literal["outlines", "boxes", "categories", "sentences"]
"""What the truth of a data set tells, and so which scores apply to it."""

Document = TypeVar("Document", bound=BaseModel)
Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Entry:
    """A clip of a data set: its name in messages, and its split."""

    name: str
    split: str


E = TypeVar("E", bound=Entry)


class Films(ABC, Generic[E]):
    """The clips of a folder by number, in a shuffled order that never changes.

    Numbers beyond the last clip begin again at the first.
    """

    kind: ClassVar[str]
    """What the folder was recognised as."""
    told: frozenset[Told]
    words: tuple[Category, ...] = ()
    """Nouns and verbs of its categories, if it tells them."""

    def __init__(self, folder: Path, entries: Sequence[E], categories: Sequence[str]) -> None:
        if not entries:
            raise ConfigError(f"{folder} lists no clips")
        self.folder = folder
        self.categories = tuple(categories)
        self.entries = tuple(sorted(entries, key=lambda e: (zlib.crc32(e.name.encode()), e.name)))

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def splits(self) -> tuple[str, ...]:
        """Return the names of the splits, sorted."""
        return tuple(sorted({entry.split for entry in self.entries}))

    def only(self, split: str) -> Self:
        """Return the clips of one split; ConfigError if there is no such split."""
        if split not in self.splits:
            raise ConfigError(
                f"{self.folder} has no split {split!r}; it has {', '.join(self.splits)}",
                limit=", ".join(self.splits),
                actual=split,
            )
        chosen = copy.copy(self)
        chosen.entries = tuple(entry for entry in self.entries if entry.split == split)
        return chosen

    def compose(self, index: int) -> Scene:
        """Return the whole clip `index` at the size of the engine's input."""
        return self.read(self.entries[index % len(self)])

    def sentences(self) -> Iterator[str]:
        """Yield every sentence of the clips; there are none in most data sets."""
        return iter(())

    @abstractmethod
    def read(self, entry: E) -> Scene:
        """Return a clip as a scene; ConfigError that names the file and what is wrong with it."""


class Excerpts:
    """Scenes for training, all of one size and length, from the known seconds of filmed clips.

    Categories are a model's; what it has no name for is `something`, if it has that. A clip with
    more sources than a batch holds keeps those that sound longest.
    """

    def __init__(
        self, films: Films[Any], *, categories: Sequence[str], size: int, seconds: int
    ) -> None:
        self._films, self._size, self._seconds = films, size, seconds
        self._names = {name: _one_name(name, categories, films) for name in films.categories}

    def compose(self, index: int) -> Scene:
        """Return part of clip `index`; the part is another one each time the clip comes round."""
        scene = self._films.compose(index)
        known = scene.frames_known()
        if not len(known):
            entry = self._films.entries[index % len(self._films)]
            raise ConfigError(f"{self._films.folder}: no second of {entry.name} is labelled")
        excerpt = scene.at(_part(known, self._seconds, index))
        loudest = sorted(excerpt.sources, key=lambda source: -int(source.sounding.sum()))
        sources = (
            replace(source, category=self._names[source.category])
            for source in loudest[:MAX_SOURCES]
        )
        unseen = (replace(u, category=self._names[u.category]) for u in excerpt.unseen)
        shown = replace(excerpt, sources=tuple(sources), unseen=tuple(unseen), known=None)
        return _resized(shown, self._size)


def _one_name(name: str, categories: Sequence[str], films: Films[Any]) -> str:
    right = name_for(name, categories)
    if right in categories:
        return right
    raise ConfigError(
        f"{films.folder}: the model has no category for {name!r}, and no {SOMETHING.name!r}",
        actual=name,
    )


def _part(known: npt.NDArray[np.intp], seconds: int, index: int) -> npt.NDArray[np.intp]:
    """Return `[seconds]` frames in order: neighbours where enough are known, else repeated ones."""
    last = known[seconds - 1 :]
    neighbours = np.flatnonzero(last - known[: len(last)] < seconds)
    rng = np.random.default_rng(index)
    if len(neighbours):
        start = int(rng.choice(neighbours))
        return known[start : start + seconds]
    return np.sort(np.resize(rng.permutation(known), seconds))


def _resized(scene: Scene, size: int) -> Scene:
    if scene.frames.shape[1] == size:
        return scene
    pictures = [
        Image.fromarray(frame).resize((size, size), Image.Resampling.BILINEAR)
        for frame in scene.frames
    ]
    sources = (replace(source, masks=squeezed(source.masks, size)) for source in scene.sources)
    return replace(scene, frames=np.stack([*map(np.asarray, pictures)]), sources=tuple(sources))


def read_film(path: Path, seconds: int) -> Clip:
    """Return the first seconds of a film as engine inputs, read as the service reads clips.

    Raises ConfigError if the film is missing, is not readable, or ends before.
    """
    try:
        clip = read_clip(path, sampling=Sampling(end=float(seconds)))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ClipError as error:
        raise ConfigError(f"{path}: {error.message}") from error
    if len(clip.frames) < seconds:
        raise ConfigError(
            f"{path} has {len(clip.frames)} seconds, its truth tells of {seconds}",
            limit=len(clip.frames),
            actual=seconds,
        )
    return clip


def squeezed(masks: npt.NDArray[Pixel], size: int = FRAME_SIZE) -> npt.NDArray[Pixel]:
    """Return `[... y x]`: masks `[... h w]` squeezed to a square, by the nearest pixel."""
    h, w = masks.shape[-2:]
    centres = (np.arange(size) + 0.5) / size
    rows, columns = (centres * h).astype(int), (centres * w).astype(int)
    return masks[..., rows[:, None], columns]


def read_document(path: Path, model: type[Document]) -> Document:
    """Read a JSON file; ConfigError that names the file and the field."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse_document(text, model, str(path))


def parse_document(text: str, model: type[Document], where: str) -> Document:
    """Return the document of a JSON text; ConfigError that begins with `where`."""
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError(f"{where}: {wrong_fields(error)}") from error
