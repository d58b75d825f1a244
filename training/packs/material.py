"""The material of film-like scenes: photographs, cut-outs and recordings, by film category."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssuformer.errors import ConfigError
from training.categories import CATEGORIES, SOMETHING, film_category
from training.packs.pack import AssetPack
from training.packs.photographs import INDEX
from training.packs.recordings import read_sound
from training.scene import Split
from training.scenes.mixing import Wave, prepare

Pixels = npt.NDArray[np.uint8]

HELD_OUT = 10
"""One photograph or recording in ten is for validation."""


CLASSES: Mapping[str, str] = {
    "person": "person_speaking",
    "group": "person_speaking",
    "player": "person_speaking",
    "crowd": "crowd",
    "baby": "baby",
    "other_hands": "person_clapping",
    "other_guitar": "acoustic_guitar",
    "other_penguin": "bird",
    "other_accordion": "accordion",
    **{
        f"other_{name}": name
        for name in (
            "airplane", "bee", "bicycle", "bird", "boat", "bus", "camera", "car", "cat", "chicken",
            "clock", "cow", "dog", "drum", "duck", "frog", "goat", "goose", "hammer",
            "helicopter", "horse", "lion", "motorcycle", "mouse", "owl", "parrot", "piano", "pig",
            "printer", "rooster", "scissors", "sheep", "ship", "snake", "telephone", "train",
            "truck", "turkey", "violin", "whale", "wolf",
        )
    },
}  # fmt: skip
"""Classes of collected photographs beside Caltech's; any other shows `something`."""

NO_THING = ("BACKGROUND_Google", "background", "other_building", "other_house", "other_palm")
"""Classes of photographs without a thing that could sound."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph, the outline of its main thing, and what the thing is."""

    picture: Path
    category: str
    outline: Path


@dataclass(slots=True)
class FilmMaterial:
    """Everything that a split may use."""

    photos: tuple[Photo, ...]
    """Photographs of one clear thing."""
    backgrounds: tuple[Path, ...]
    """Photographs without a clear thing."""
    sprites: Mapping[str, tuple[Path, ...]]
    """Cut-outs by category, RGBA."""
    recordings: Mapping[str, tuple[Path, ...]]
    """Sound files by category."""
    heard: tuple[str, ...] = field(init=False)
    """Categories with recordings."""

    def __post_init__(self) -> None:
        self.heard = tuple(sorted(self.recordings))

    @property
    def learned(self) -> frozenset[str]:
        """Return the categories that can be seen and heard."""
        shown = {photo.category for photo in self.photos} | self.sprites.keys()
        return frozenset(shown & self.recordings.keys())

    @classmethod
    def open(cls, films: Path, pack: AssetPack, split: Split) -> FilmMaterial:
        """Return what a split may use of the pack `films` and of a pack of cut-outs.

        Raises ConfigError if the pack is missing.
        """
        if not (films / INDEX).is_file():
            raise ConfigError(
                f"no material at {films}: build it with `python -m training pack films`; "
                "training/packs/README.md says where to get photographs and recordings"
            )
        sprites: dict[str, list[Path]] = defaultdict(list)
        sounds: dict[str, list[Path]] = defaultdict(list)
        root = Path(pack.shelf.place).parent
        for category in pack.categories:
            name = film_category(category.name)
            sprites[name] += (root / i.path for i in pack.items("sprite", category.name, split))
            sounds[name] += (root / i.path for i in pack.items("sound", category.name, split))
        for folder in _folders(films / "sounds"):
            sounds[folder.name] += _part(folder.glob("*.wav"), split)
        photos, backgrounds = _photographs(films / "photos", split)
        return cls(
            photos=photos,
            backgrounds=backgrounds,
            sprites={name: tuple(paths) for name, paths in sprites.items() if paths},
            recordings={name: tuple(paths) for name, paths in sounds.items() if paths},
        )


def _part(files: Iterable[Path], split: Split) -> list[Path]:
    """Return the files of a split; what there are few of, all splits use."""
    ordered = sorted(files)
    if len(ordered) < HELD_OUT:
        return ordered
    held = ordered[::HELD_OUT]
    return held if split != "train" else sorted(set(ordered) - set(held))


def _folders(parent: Path) -> list[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _photographs(folder: Path, split: Split) -> tuple[tuple[Photo, ...], tuple[Path, ...]]:
    of_class = dict(CLASSES)
    for category in reversed(CATEGORIES):
        of_class |= dict.fromkeys(category.photos, category.name)
    photos: list[Photo] = []
    backgrounds: list[Path] = []
    for group in _folders(folder):
        name = of_class.get(group.name, SOMETHING.name)
        for picture in _part(group.glob("*.jpg"), split):
            outline = picture.with_suffix(".png")
            if group.name in NO_THING:
                backgrounds.append(picture)
            elif outline.exists():
                photos.append(Photo(picture, name, outline))
    return tuple(photos), tuple(backgrounds)


@lru_cache(1500)
def read_rgb(path: Path) -> Image.Image:
    """Return a stored photograph."""
    with Image.open(path) as picture:
        return picture.convert("RGB")


@lru_cache(1500)
def read_outline(path: Path) -> Image.Image:
    """Return a stored outline, 0..255."""
    with Image.open(path) as picture:
        return picture.convert("L")


@lru_cache(1000)
def read_sprite(path: Path) -> Image.Image:
    """Return a cut-out, RGBA."""
    with Image.open(path) as picture:
        return picture.convert("RGBA")


@lru_cache(600)
def read_recording(path: Path) -> Wave:
    """Return a recording at one level, ready for looping."""
    return prepare(read_sound(path))
