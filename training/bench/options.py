"""Options that the commands of the bench share."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from ssuformer.errors import OptionError
from ssuformer.terminal import console
from training.data.kinds import parse_data, recognised
from training.experiment import Experiment
from training.held_out import parse_splits

Config = Annotated[Path, typer.Argument(help="An experiment file; what differs is replaced.")]
Out = Annotated[Path, typer.Option(help="Folder of the runs and the table.")]
Seeds = Annotated[str, typer.Option(help="Separated by commas.")]
Data = Annotated[list[str] | None, typer.Option(help="Filmed clips: `DIR[:split]`.")]
Splits = Annotated[
    str | None,
    typer.Option(help="Held-out scenes, such as `photographic,test`; by default none of clips."),
]
Scenes = Annotated[int, typer.Option(min=2, help="Scenes of each split.")]
Films = Annotated[str, typer.Option(help="Pack of film material.")]
Device = Annotated[str, typer.Option(help="Where to train and evaluate: cpu, cuda.")]
Train = Annotated[bool, typer.Option(help="Train what is missing.")]

HIGHEST_SEED = 2**32 - 1


def parse_seeds(seeds: str) -> list[int]:
    """Return the seeds, each once; OptionError if they are no numbers, or one is too high."""
    if not all(seed.isdecimal() for seed in seeds.split(",")):
        raise OptionError(f"--seeds {seeds}: not numbers separated by commas, as 1,2", actual=seeds)
    found = list(dict.fromkeys(map(int, seeds.split(","))))
    if max(found) > HIGHEST_SEED:
        raise OptionError(
            f"--seeds {seeds}: at most {HIGHEST_SEED}", limit=HIGHEST_SEED, actual=max(found)
        )
    return found


def parse_names(names: str, known: Collection[str], option: str) -> list[str]:
    """Return names separated by commas; OptionError if one is not known."""
    chosen = list(dict.fromkeys(names.split(",")))
    if unknown := [name for name in chosen if name not in known]:
        raise OptionError(
            f"{option} {unknown[0]}: unknown; available: {', '.join(known)}", actual=unknown[0]
        )
    return chosen


def exam_names(
    data: list[str] | None,
    splits: str | None,
    *,
    usual: str = "",
    experiment: Experiment | None = None,
) -> list[str]:
    """Return what to evaluate on, each once: clips first, as `data:DIR`, then held-out scenes.

    What each folder was recognised as is said on standard error. If no splits are named, they are
    the `usual` ones, and none where clips are all that the experiment trains on. Raises OptionError
    if nothing is left, ConfigError for what is not there: both before anything is trained.
    """
    if splits is None:
        splits = "" if experiment and experiment.filmed_alone else usual
    for folder in data or ():
        console(errors=True).print(recognised(parse_data(folder)), soft_wrap=True, markup=False)
    names = [
        *(f"data:{folder}" for folder in data or ()),
        *(parse_splits(splits) if splits else ()),
    ]
    if not names:
        raise OptionError("nothing to evaluate on: name clips with --data DIR[:split]")
    return list(dict.fromkeys(names))
