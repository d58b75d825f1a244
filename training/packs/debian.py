"""Builds the pack `debian` from Debian's packages and four npm packages, in one shape."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from ssuformer.errors import ConfigError
from training.packs.categories import CATEGORIES, Category, Recorded, SoundRecipe, Synthesised
from training.packs.drawings import (
    STAMP_LICENCE,
    STYLES,
    Drawing,
    emoji_drawings,
    noto_drawing,
    stamp_drawing,
)
from training.packs.melodies import SOUNDFONT, Melody, play
from training.packs.pack import (
    Licences,
    PackCategory,
    PackItem,
    PackManifest,
    only_free,
    write_manifest,
)
from training.packs.recordings import Part, finish, variants, write_sound
from training.packs.synthesis import Wave

VERSION = "1"
COMMAND = "python -m training pack build debian"
APT_COMMAND = (
    "apt-get install -y --no-install-recommends"
    " tuxpaint-stamps-default fonts-noto-color-emoji fluidsynth fluid-soundfont-gm"
)
NPM_PACKAGES = "@lobehub/fluent-emoji-3d @lobehub/fluent-emoji-flat @twemoji/svg openmoji"
COUNTS: dict[Part, int] = {"train": 24, "val": 5, "test": 8}
"""Sounds made from each recipe of a category, per split."""

RECORDED_COUNTS: dict[Part, int] = {"train": 16, "val": 4, "test": 6}
SYNTHESISED_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Sources:
    """Locations of the material on this machine."""

    stamps: Path = Path("/usr/share/tuxpaint/stamps")
    font: Path = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
    soundfont: Path = SOUNDFONT
    npm: Path = Path("~/.cache/ssu/npm/node_modules")

    def require(self) -> None:
        """Raise ConfigError naming what is missing and the command that installs it."""
        missing = [str(p) for p in (self.stamps, self.font, self.soundfont) if not p.exists()]
        if shutil.which("fluidsynth") is None:
            missing.append("fluidsynth")
        if missing:
            raise ConfigError(f"missing: {', '.join(missing)}. Run `{APT_COMMAND}`")
        folders = [self.npm.expanduser() / style.folder for style in STYLES]
        lost = [str(folder) for folder in folders if not folder.is_dir()]
        if lost:
            prefix = self.npm.expanduser().parent
            raise ConfigError(
                f"missing: {', '.join(lost)}. "
                f"Run `npm i --ignore-scripts --prefix {prefix} {NPM_PACKAGES}`"
            )


@dataclass(frozen=True, slots=True)
class Sounding:
    """A sound about to be stored."""

    wave: Wave
    part: Part
    style: str
    origin: str
    licence: str


def build(
    destination: Path,
    sources: Sources,
    *,
    categories: Sequence[Category] = CATEGORIES,
    licences: Licences = "any",
    progress: Callable[[str], None] = lambda _name: None,
) -> PackManifest:
    """Build the pack into a folder, category by category; `progress` is called with each name.

    An older build there is replaced once the new one is complete. Raises ConfigError when material
    is missing.
    """
    sources.require()
    draft = destination.with_name(f".{destination.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    items: list[PackItem] = []
    for category in categories:
        progress(category.name)
        items += _store_looks(draft, category.name, _drawings(category, sources))
        items += _store_sounds(draft, category.name, _sounds(category, sources))
    manifest = PackManifest(
        name="debian",
        version=VERSION,
        command=COMMAND + (" --only-free" if licences == "free" else ""),
        categories=tuple(
            PackCategory(name=c.name, noun=c.noun, verb=c.verb, profile=c.profile)
            for c in categories
        ),
        items=tuple(items),
    )
    if licences == "free":
        manifest = _prune(draft, manifest)
    write_manifest(draft, manifest)
    shutil.rmtree(destination, ignore_errors=True)
    draft.rename(destination)
    return manifest


def seed_of(*words: object) -> int:
    """Return a seed that depends only on these words, on every machine."""
    digest = hashlib.sha256(" ".join(map(str, words)).encode()).digest()
    return int.from_bytes(digest[:6], "big")


def _drawings(category: Category, sources: Sources) -> Iterator[Drawing]:
    for code in category.emoji:
        yield from emoji_drawings(sources.npm.expanduser(), code)
        noto = noto_drawing(sources.font, code)
        if noto is not None:
            yield noto
    for stamp in category.stamps:
        drawing = stamp_drawing(sources.stamps, stamp)
        if drawing is not None:
            yield drawing


def _sounds(category: Category, sources: Sources) -> Iterator[Sounding]:
    for recipe in category.sounds:
        yield from _perform(recipe, category.name, sources)


def _perform(recipe: SoundRecipe, name: str, sources: Sources) -> Iterator[Sounding]:
    match recipe:
        case Melody():
            return _melodies(recipe, name, sources)
        case Recorded():
            return _recordings(recipe, name, sources)
        case Synthesised():
            return _syntheses(recipe, name)


def _melodies(recipe: Melody, name: str, sources: Sources) -> Iterator[Sounding]:
    for part, count in COUNTS.items():
        seed = seed_of(name, part)
        for wave in play(recipe, count, seed, sources.soundfont):
            yield Sounding(wave, part, "melody", f"{sources.soundfont.stem}, seed {seed}", "MIT")


def _recordings(recipe: Recorded, name: str, sources: Sources) -> Iterator[Sounding]:
    paths = [sources.stamps / path for path in recipe.paths]
    for part, count in RECORDED_COUNTS.items():
        for made in variants(paths, part, count, seed_of(name, part)):
            origin = made.origin.replace(str(sources.stamps), "tuxpaint-stamps")
            yield Sounding(made.wave, part, "recording", origin, STAMP_LICENCE)


def _syntheses(recipe: Synthesised, name: str) -> Iterator[Sounding]:
    for part, count in COUNTS.items():
        for number in range(count):
            seed = seed_of(name, part, number)
            wave = recipe.make(np.random.default_rng(seed), SYNTHESISED_SECONDS)
            origin = f"{recipe.make.__name__}, seed {seed}"
            yield Sounding(wave, part, "synthesis", origin, "Apache-2.0")


def _store_looks(folder: Path, category: str, looks: Iterable[Drawing]) -> Iterator[PackItem]:
    for look in looks:
        path = f"sprites/{category}/{look.style}--{look.name}.png"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(look.rgba).save(folder / path, optimize=True)
        yield PackItem(
            path=path,
            kind="sprite",
            category=category,
            style=look.style,
            origin=look.origin,
            licence=look.licence,
            split="test-style" if look.style == "twemoji" else "all",
        )


def _store_sounds(folder: Path, category: str, sounds: Iterable[Sounding]) -> Iterator[PackItem]:
    numbers: dict[tuple[str, Part], int] = {}
    for sound in sounds:
        wave = finish(sound.wave)
        if not len(wave):
            raise ConfigError(f"a sound of {category} is silent: {sound.origin}")
        number = numbers[sound.style, sound.part] = numbers.get((sound.style, sound.part), 0) + 1
        path = f"sounds/{category}/{sound.style}--{sound.part}-{number:02d}.wav"
        write_sound(folder / path, wave)
        yield PackItem(
            path=path,
            kind="sound",
            category=category,
            style=sound.style,
            origin=sound.origin,
            licence=sound.licence,
            split=sound.part,
        )


def _prune(folder: Path, manifest: PackManifest) -> PackManifest:
    free = only_free(manifest)
    kept = {item.path for item in free.items}
    for item in manifest.items:
        if item.path not in kept:
            (folder / item.path).unlink()
    return free
