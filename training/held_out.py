"""Scenes to evaluate on, by name: the held-out splits, and the scenes of another composer."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ssuformer.errors import ConfigError
from training.batch import SceneSource
from training.collage.scenes import CollageScenes
from training.packs.pack import AssetPack
from training.scenes.composer import Composer

HeldOut = Literal["val", "test", "test-style", "collage"]

HELD_OUT: tuple[HeldOut, ...] = ("val", "test", "test-style", "collage")
"""`collage`: the material of `test`, drawn and mixed by a composer that no model is trained on."""


def parse_splits(names: str) -> list[HeldOut]:
    """Return the splits in `names`, separated by commas; ConfigError for an unknown one."""
    known: dict[str, HeldOut] = {split: split for split in HELD_OUT}
    unknown = [name for name in names.split(",") if name not in known]
    if unknown:
        raise ConfigError(f"unknown split {unknown[0]!r}; available: {', '.join(known)}")
    return [known[name] for name in names.split(",")]


def held_out(pack: AssetPack, split: HeldOut, backgrounds: Path | None = None) -> SceneSource:
    """Return the scenes of a split; `backgrounds` holds photographs for the collage."""
    if split == "collage":
        return CollageScenes(pack, backgrounds=backgrounds)
    return Composer(pack, split)


def score_name(split: HeldOut, backgrounds: Path | None = None) -> str:
    """Return the name of a split's scores: a collage before photographs is another, harder test."""
    return "collage-photographs" if split == "collage" and backgrounds else split
