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
from pydantic import BaseModel, ConfigDict

from ssuformer.errors import ConfigError
from training.categories import CATEGORIES, SOMETHING, film_category
from training.packs.pack import AssetPack
from training.packs.recordings import finish, read_sound
from training.scene import Split
from training.scenes.mixing import Wave, prepare

Pixels = npt.NDArray[np.uint8]

HELD_OUT = 10
"""One photograph or recording in ten is for validation."""


class MaterialFolders(BaseModel):
    """Where the material of film-like scenes is; the README says where to get it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    photographs: tuple[str, ...]
    """Folders that `python -m training pack photographs` wrote: a folder per class."""
    recordings: tuple[str, ...] = ()
    """Folders of recordings, whose names the table of categories lists."""
    voices: tuple[str, ...] = ()
    """Patterns of recordings of people who speak."""


CLASSES: Mapping[str, str] = {
    "person": "person_speaking",
    "group": "person_speaking",
    "player": "person_speaking",
    "crowd": "crowd",
    "baby": "baby",
    "other_hands": "person_clapping",
    "other_penguin": "bird",
    "other_accordion": "accordion",
    **{
        f"other_{name}": name
        for name in (
            "airplane", "bee", "bicycle", "bird", "boat", "bus", "camera", "car", "cat", "chicken",
            "clock", "cow", "dog", "drum", "duck", "frog", "goat", "goose", "guitar", "hammer",
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
    def open(cls, folders: MaterialFolders, pack: AssetPack, split: Split) -> FilmMaterial:
        """Return the material of a split; ConfigError if a folder is missing or empty."""
        sprites: dict[str, list[Path]] = defaultdict(list)
        sounds: dict[str, list[Path]] = defaultdict(list)
        root = Path(pack.shelf.place).parent
        for category in pack.categories:
            name = film_category(category.name)
            sprites[name] += (root / i.path for i in pack.items("sprite", category.name, split))
            sounds[name] += (root / i.path for i in pack.items("sound", category.name, split))
        for name, files in _recordings(folders).items():
            sounds[name] += _part(files, split)
        photos, backgrounds = _photographs(folders, split)
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
    return held if split != "train" else [path for path in ordered if path not in set(held)]


def _folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise ConfigError(f"no material at {folder}: training/packs/README.md says where to get it")
    return folder


def _recordings(folders: MaterialFolders) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for folder in map(_folder, folders.recordings):
        for category in CATEGORIES:
            found[category.name] += (
                path for pattern in category.recordings for path in folder.glob(pattern)
            )
    for pattern in folders.voices:
        root = _folder(pattern.partition("*")[0])
        voices = list(root.glob(pattern.removeprefix(pattern.partition("*")[0])))
        if not voices:
            raise ConfigError(f"no recordings at {pattern}: training/packs/README.md lists them")
        found["person_speaking"] += voices
    return {name: paths for name, paths in found.items() if paths}


def _photographs(
    folders: MaterialFolders, split: Split
) -> tuple[tuple[Photo, ...], tuple[Path, ...]]:
    of_class = dict(CLASSES)
    for category in reversed(CATEGORIES):
        of_class |= dict.fromkeys(category.photos, category.name)
    photos: list[Photo] = []
    backgrounds: list[Path] = []
    for folder in map(_folder, folders.photographs):
        for group in sorted(path for path in folder.iterdir() if path.is_dir()):
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
    """Return a recording of at most six seconds, without long pauses, ready for looping."""
    return prepare(finish(read_sound(path)))
