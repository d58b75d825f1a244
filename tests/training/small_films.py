"""Packs with the names of the collected ones, and film material, drawn on the spot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ssuformer.contract import SAMPLE_RATE
from ssuformer.manifest import Manifest, Thresholds
from ssuformer.model import checkpoint
from ssuformer.model.sound_source_model import parameters
from ssuformer.tokenizer import Tokenizer
from tests.ssuformer.model.small_model import small_config, small_model
from training.categories import CATEGORIES
from training.packs import procedural
from training.packs.categories import CATEGORIES as COLLECTED
from training.packs.pack import AssetPack, PackCategory, PackManifest, write_manifest
from training.packs.photographs import INDEX, FilmIndex
from training.packs.recordings import write_sound
from training.scenes.unnamed import UNNAMED

FILM_NAMES = {
    "dog": "dog",
    "piano": "piano",
    "violin": "violin",
    "hands": "person_clapping",
    "keyboard": "typing",
    "locomotive": "train",
    "baby": "baby",
    "robot": "something",
}
"""The categories of the pack, and what they are among films."""


def film_named(pack: PackManifest) -> PackManifest:
    """Return the manifest of the procedural pack with eight names of the collected pack."""
    shapes = [category.name for category in pack.categories]
    name_of = dict(zip(shapes, FILM_NAMES, strict=True))
    categories = tuple(
        PackCategory(name=c.name, noun=c.noun, verb=c.verb, profile=c.profile)
        for c in COLLECTED
        if c.name in FILM_NAMES
    )
    items = [i.model_copy(update={"category": name_of[i.category]}) for i in pack.items]
    return pack.model_copy(update={"categories": categories, "items": tuple(items)})


def pack_in_memory() -> AssetPack:
    made = procedural.pack()
    return AssetPack(film_named(made.manifest), made.shelf)


def write_pack(folder: Path) -> Path:
    write_manifest(folder, film_named(procedural.build(folder)))
    return folder


def write_film_material(folder: Path) -> Path:
    """Write a pack of a photograph of a person and one of a dog, and a recording of speech."""
    (folder / "sounds/person_speaking").mkdir(parents=True)
    (folder / INDEX).write_text(FilmIndex(command="", items=()).model_dump_json())
    for number, group in enumerate(("person", "dalmatian")):
        (folder / "photos" / group).mkdir(parents=True)
        outline = Image.new("L", (240, 180))
        ImageDraw.Draw(outline).ellipse((40, 30, 180, 160), fill=255)
        picture = Image.new("RGB", outline.size, (60, 120, 90 * number))
        picture.paste((230, 60 * number, 60), mask=outline)
        picture.save(folder / "photos" / group / "a.jpg")
        outline.save(folder / "photos" / group / "a.png")
    tone = 0.2 * np.sin(np.arange(3 * SAMPLE_RATE) / 9)
    write_sound(folder / "sounds/person_speaking/a.wav", tone.astype(np.float32))
    return folder


def film_manifest(**changes: object) -> Manifest:
    """Return the manifest of untrained weights with film categories and open sentences."""
    tokenizer = Tokenizer.learn(UNNAMED.sentences())
    config = small_config(categories=len(CATEGORIES), vocabulary=len(tokenizer.vocabulary))
    fields: dict[str, Any] = {
        "name": "films", "version": "0", "author": "", "git_revision": "",
        "created": datetime(2026, 1, 1, tzinfo=UTC), "data_seed": 0, "steps": 0, "parameters": 0,
        "dimensions": config.dimensions,
        "categories": tuple(category.name for category in CATEGORIES),
        "nouns": tuple(category.noun for category in CATEGORIES),
        "verbs": tuple(category.verb for category in CATEGORIES),
        "vocabulary": tokenizer.vocabulary,
    }  # fmt: skip
    return Manifest.model_validate(fields | changes)


def write_film_model(folder: Path) -> Path:
    """Write a checkpoint of random weights with film categories that hears and shows anything."""
    manifest = film_manifest(thresholds=Thresholds(sounding=0.0, mask=0.0, heard=0.0))
    sizes = {
        "categories": len(CATEGORIES),
        "vocabulary": len(manifest.vocabulary),
        "heard": True,
    }
    model = small_model(**sizes)
    changes = {"dimensions": small_config(**sizes).dimensions, "parameters": parameters(model)}
    checkpoint.save(
        folder, small_config(**sizes), model.state_dict(), manifest.model_copy(update=changes)
    )
    return folder
