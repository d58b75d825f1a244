"""Scenes to evaluate on, by name: held-out splits, another composer's scenes, film-like ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from ssuformer.errors import ConfigError
from training.batch import SceneSource
from training.collage.scenes import CollageScenes
from training.experiment import pack_folder
from training.packs.material import FilmMaterial
from training.packs.pack import AssetPack
from training.scene import Split
from training.scenes.composer import Composer
from training.scenes.photographic import PhotographicScenes

HeldOut = Literal["val", "test", "test-style", "collage", "photographic-val", "photographic"]

PHOTOGRAPHIC: tuple[HeldOut, ...] = ("photographic-val", "photographic")
"""Film-like scenes, under film categories and with open sentences.

Photographs and recordings of the pack `films` are those that training does not use, the same for
both splits; of a kind with fewer than ten files, training has all (`training/packs/material.py`).
Cut-outs are those of training, as in every split but `test-style`, and recordings of the pack of
cut-outs those of `val` or `test`.
"""

HELD_OUT: tuple[HeldOut, ...] = ("val", "test", "test-style", "collage")
"""`collage`: the material of `test`, drawn and mixed by a composer that no model is trained on.

The splits that need no other pack, and the default.
"""


def parse_splits(names: str) -> list[HeldOut]:
    """Return the splits in `names`, separated by commas; ConfigError for an unknown one."""
    known: dict[str, HeldOut] = {split: split for split in get_args(HeldOut)}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise ConfigError(f"unknown split {unknown[0]!r}; available: {', '.join(known)}")
    return [known[name] for name in names.split(",")]


def held_out(
    pack: AssetPack, split: HeldOut, backgrounds: Path | None = None, films: str = "films"
) -> SceneSource:
    """Return the scenes of a split; ConfigError if its material is missing.

    `backgrounds` holds photographs for the collage, `films` is the pack of film material.
    """
    if split == "collage":
        return CollageScenes(pack, backgrounds=backgrounds)
    if split == "photographic":
        return photographic(pack, films, "test")
    if split == "photographic-val":
        return photographic(pack, films, "val")
    return Composer(pack, split)


def photographic(pack: AssetPack, films: str, split: Split) -> SceneSource:
    """Return the film-like scenes of a split, with the material of the pack `films` too."""
    return PhotographicScenes(FilmMaterial.open(pack_folder(films), pack, split), split)


def score_name(split: HeldOut, backgrounds: Path | None = None) -> str:
    """Return the name of a split's scores: a collage before photographs is another, harder test."""
    return "collage-photographs" if split == "collage" and backgrounds else split
