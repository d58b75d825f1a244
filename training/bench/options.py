"""Options that the commands of the bench share."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from ssuformer.errors import OptionError
from training.data.kinds import parse_data
from training.held_out import parse_splits

Config = Annotated[Path, typer.Argument(help="An experiment file; what differs is replaced.")]
Out = Annotated[Path, typer.Option(help="Folder of the runs and the table.")]
Seeds = Annotated[str, typer.Option(help="Separated by commas.")]
Data = Annotated[list[str] | None, typer.Option(help="Filmed clips: `DIR[:split]`.")]
Splits = Annotated[str, typer.Option(help="Held-out scenes.")]
Scenes = Annotated[int, typer.Option(min=2, help="Scenes of each split.")]
Films = Annotated[str, typer.Option(help="Pack of film material.")]
Device = Annotated[str, typer.Option(help="Where to train and evaluate: cpu, cuda.")]
Train = Annotated[bool, typer.Option(help="Train what is missing.")]


def parse_seeds(seeds: str) -> list[int]:
    """Return the seeds; OptionError if they are no numbers."""
    if not all(seed.isdecimal() for seed in seeds.split(",")):
        raise OptionError(f"--seeds {seeds}: not numbers separated by commas, as 1,2", actual=seeds)
    return [int(seed) for seed in seeds.split(",")]


def parse_names(names: str, known: Collection[str], option: str) -> list[str]:
    """Return names separated by commas; OptionError if one is not known."""
    chosen = list(dict.fromkeys(names.split(",")))
    if unknown := [name for name in chosen if name not in known]:
        raise OptionError(
            f"{option} {unknown[0]}: unknown; available: {', '.join(known)}", actual=unknown[0]
        )
    return chosen


def exam_names(data: list[str] | None, splits: str) -> list[str]:
    """Return what to evaluate on: filmed clips first, as `data:DIR`, then held-out scenes.

    Raises ConfigError for a folder that is no data set, or an unknown split.
    """
    for folder in data or ():
        parse_data(folder)
    return [*(f"data:{folder}" for folder in data or ()), *parse_splits(splits)]
