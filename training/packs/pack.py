"""Asset packs: cut-outs and recordings by category, with a manifest of origin and licence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, ValidationError

from ssuformer.errors import ConfigError
from training.packs.recordings import read_sound
from training.scene import Profile, Split

Rgba = npt.NDArray[np.uint8]
Wave = npt.NDArray[np.float32]
Kind = Literal["sprite", "sound"]
Share = Literal["train", "val", "test", "test-style", "all"]
Licences = Literal["any", "free"]

MANIFEST = "manifest.json"
BUILD_COMMAND = "python -m training pack build"
FREE_LICENCES = frozenset({"MIT", "OFL-1.1", "Apache-2.0", "CC0-1.0"})
"""Licences that allow redistribution of rendered samples without conditions on the whole."""

HASHED_SOUND_SHARES: tuple[Share, ...] = ("train",) * 7 + ("val",) + ("test",) * 2


class PackCategory(BaseModel):
    """One kind of thing: its name in files, its noun and verb in sentences, its profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    noun: str
    verb: str
    profile: Profile


class PackItem(BaseModel):
    """One file of a pack: category, origin and licence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    kind: Kind
    category: str
    style: str
    origin: str
    licence: str
    split: Share

    @property
    def free(self) -> bool:
        """Whether its licence requires no more than a notice."""
        return self.licence in FREE_LICENCES

    def serves(self, split: Split) -> bool:
        """Whether a split may use it; `test-style` uses the test sounds and its own pictures."""
        if self.kind == "sprite" and split == "test-style":
            return self.split == "test-style"
        wanted = "test" if split == "test-style" else split
        return self.split in ("all", wanted)


class PackManifest(BaseModel):
    """The manifest of a pack."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    command: str
    categories: tuple[PackCategory, ...]
    items: tuple[PackItem, ...]


class Shelf(Protocol):
    """Storage of a pack's files."""

    @property
    def place(self) -> str:
        """Return its name for messages."""

    def sprite(self, item: PackItem) -> Rgba:
        """Return a cut-out, or raise ConfigError."""

    def sound(self, item: PackItem) -> Wave:
        """Return a recording, or raise ConfigError."""


@dataclass(frozen=True, slots=True)
class FolderShelf:
    """Files in a folder, read again at every call; callers cache them."""

    folder: Path

    @property
    def place(self) -> str:
        """Return the path of the manifest."""
        return str(self.folder / MANIFEST)

    def sprite(self, item: PackItem) -> Rgba:
        """Read a picture as `[h w 4]` with straight alpha."""
        path = self._present(item)
        try:
            with Image.open(path) as picture:
                return np.asarray(picture.convert("RGBA"))
        except (UnidentifiedImageError, OSError) as error:
            raise ConfigError(f"{path} is not a picture: {_again(self.folder)}") from error

    def sound(self, item: PackItem) -> Wave:
        """Read a sound as mono float32 at 16 kHz."""
        return read_sound(self._present(item))

    def _present(self, item: PackItem) -> Path:
        path = self.folder / item.path
        if not path.is_file():
            raise ConfigError(f"{path} is missing: {_again(self.folder)}")
        return path


@dataclass(frozen=True, slots=True)
class MemoryShelf:
    """Files in memory, by path."""

    sprites: Mapping[str, Rgba]
    sounds: Mapping[str, Wave]
    place: str = "memory"

    def sprite(self, item: PackItem) -> Rgba:
        """Return the cut-out of this path."""
        return self.sprites[item.path]

    def sound(self, item: PackItem) -> Wave:
        """Return the recording of this path."""
        return self.sounds[item.path]


@dataclass(frozen=True, slots=True)
class AssetPack:
    """An open pack: cut-outs and sounds by category and split."""

    manifest: PackManifest
    shelf: Shelf

    @classmethod
    def open(cls, folder: Path | str, *, licences: Licences = "any") -> AssetPack:
        """Open a pack, or a folder of custom material without a manifest.

        With `licences="free"` only items under permissive licences are used, and only the
        categories that still have both looks and sounds. Raises ConfigError.
        """
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise ConfigError(f"no asset pack at {root}: create one with `{_command(root)}`")
        manifest = _read_manifest(root) if (root / MANIFEST).exists() else _survey(root)
        if not manifest.categories:
            raise ConfigError(
                f"{root} contains no category with both sprites/ and sounds/: {_again(root)}"
            )
        return cls(only_free(manifest) if licences == "free" else manifest, FolderShelf(root))

    @property
    def categories(self) -> tuple[PackCategory, ...]:
        """Its categories, in the order of the manifest."""
        return self.manifest.categories

    def category(self, name: str) -> PackCategory:
        """Return a category by name, or raise ConfigError."""
        for category in self.categories:
            if category.name == name:
                return category
        known = ", ".join(category.name for category in self.categories)
        raise ConfigError(
            f"{self.shelf.place} has no category {name!r}, only {known}; "
            f"rebuild an old pack with `{BUILD_COMMAND}`"
        )

    def only(self, names: Iterable[str]) -> AssetPack:
        """Return the pack with no other categories than `names`; ConfigError if one is unknown."""
        kept = tuple(self.category(name) for name in names)
        return AssetPack(self.manifest.model_copy(update={"categories": kept}), self.shelf)

    def items(self, kind: Kind, category: str, split: Split) -> tuple[PackItem, ...]:
        """Return the items of a category that a split may use, in a stable order."""
        self.category(category)
        return tuple(
            item
            for item in self.manifest.items
            if item.kind == kind and item.category == category and item.serves(split)
        )

    def sprites(self, category: str, split: Split) -> tuple[Rgba, ...]:
        """Return the cut-outs of a category, each `[h w 4]` uint8 with straight alpha."""
        return tuple(self.sprite(item) for item in self.items("sprite", category, split))

    def sounds(self, category: str, split: Split) -> tuple[Wave, ...]:
        """Return the recordings of a category, each mono float32 in -1..1 at 16 kHz."""
        return tuple(self.sound(item) for item in self.items("sound", category, split))

    def sprite(self, item: PackItem) -> Rgba:
        """Return one cut-out, or raise ConfigError."""
        return self.shelf.sprite(item)

    def sound(self, item: PackItem) -> Wave:
        """Return one recording, or raise ConfigError."""
        return self.shelf.sound(item)


def only_free(manifest: PackManifest) -> PackManifest:
    """Return the manifest without items that are not free and categories left incomplete."""
    items = tuple(item for item in manifest.items if item.free)
    looks = {i.category for i in items if i.kind == "sprite" and i.split != "test-style"}
    heard = {i.category for i in items if i.kind == "sound"}
    kept = tuple(c for c in manifest.categories if c.name in looks & heard)
    names = {category.name for category in kept}
    return manifest.model_copy(
        update={"categories": kept, "items": tuple(i for i in items if i.category in names)}
    )


def write_manifest(folder: Path, manifest: PackManifest) -> None:
    """Write the manifest into the folder of a pack."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n")


def _command(folder: Path) -> str:
    return f"{BUILD_COMMAND} --out {folder}"


def _again(folder: Path) -> str:
    return f"rebuild the pack with `{_command(folder)}`"


def _read_manifest(root: Path) -> PackManifest:
    path = root / MANIFEST
    try:
        return PackManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(
            f"{path} is not a manifest: {where}: {first['msg']}; {_again(root)}"
        ) from error


def _survey(root: Path) -> PackManifest:
    """Create a manifest for a folder without one."""
    sprites = {p.name: sorted(_files(p)) for p in _folders(root / "sprites")}
    sounds = {p.name: sorted(_files(p)) for p in _folders(root / "sounds")}
    names = sorted(sprites.keys() & sounds.keys())
    items: list[PackItem] = []
    for name in names:
        items += [_found(root, path, "sprite", name, "all") for path in sprites[name]]
        shares = sound_shares([path.name for path in sounds[name]])
        for path, share in zip(sounds[name], shares, strict=True):
            items.append(_found(root, path, "sound", name, share))
    return PackManifest(
        name=root.name,
        version="0",
        command="collected by hand",
        categories=tuple(
            PackCategory(name=n, noun=n.replace("_", " "), verb="sounds", profile="lifescene")
            for n in names
        ),
        items=tuple(items),
    )


def sound_shares(names: list[str]) -> list[Share]:
    """Assign each sound to a split by a hash of its name; too few sounds serve all splits."""
    digests = [int(hashlib.sha256(name.encode()).hexdigest(), 16) for name in names]
    shares = [HASHED_SOUND_SHARES[d % len(HASHED_SOUND_SHARES)] for d in digests]
    return shares if {"train", "val", "test"} <= set(shares) else ["all"] * len(names)


def _found(root: Path, path: Path, kind: Kind, category: str, share: Share) -> PackItem:
    return PackItem(
        path=path.relative_to(root).as_posix(),
        kind=kind,
        category=category,
        style="own",
        origin="own",
        licence="unknown",
        split=share,
    )


def _folders(parent: Path) -> Iterable[Path]:
    return (p for p in parent.iterdir() if p.is_dir()) if parent.is_dir() else ()


def _files(folder: Path) -> Iterable[Path]:
    return (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
