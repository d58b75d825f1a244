"""`python -m training data`: check folders of filmed clips, and write scenes into shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from ssuformer.contract import FRAME_SIZE
from ssuformer.terminal import console, told
from training import experiment as experiments
from training.data.check import Checker
from training.data.filmed import Told
from training.data.kinds import open_films
from training.data.shards import Plan, write_shards
from training.packs.pack import PackCategory
from training.scenes.grammar import Category
from training.task import Task

data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Check folders of filmed clips, write shards; training/data/README.md describes them.",
)


OF_SCENES = frozenset({"categories", "data", "names", "pack", "profile", "seed"})
"""Fields of an experiment that decide on its scenes."""


@data_app.callback()
def main() -> None:
    """Check folders of filmed clips, write shards; training/data/README.md describes them."""


@data_app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The folder with the clips and their truth.")],
) -> None:
    """Decode every clip and name every fault with its file; exit with 1 if there is one.

    Examples:

    `python -m training data check samples`

    `python -m training data check ~/data/AVSBench/Single-source > faults.txt`
    """
    with told():
        films = open_films(folder)
        found = 0
        with Progress(console=console(errors=True), transient=True) as progress:
            for faults in progress.track(Checker(films).faults(), total=len(films)):
                for fault in faults:
                    typer.echo(fault)
                found += len(faults)
    console(errors=True).print(f"{films.kind}, {len(films)} clips: {found or 'no'} faults")
    if found:
        raise typer.Exit(1)


@data_app.command()
def shards(
    config: Annotated[Path, typer.Argument(help="An experiment file: whose scenes.")],
    out: Annotated[Path, typer.Option(help="Folder of the shards; what was begun goes on.")],
    scenes: Annotated[int, typer.Option(min=1, help="Scenes for training.")],
    validation: Annotated[int, typer.Option(min=1, help="Scenes for validation.")] = 64,
    each: Annotated[int, typer.Option(min=1, help="Scenes in one file.")] = 256,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make scenes.")] = 1,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the experiment."),
    ] = None,
) -> None:
    """Write the scenes that an experiment trains on into tar files, to train on these.

    Composed, film-like and filmed ones, by their weights. To train on them, name the folder under
    `[[data]]` of another experiment; its `names` are `data`, or `films` if any were film-like.

    Example: `python -m training data shards training/configs/tiny.toml --out shards --scenes 20000`
    """
    with told():
        experiment = experiments.read(config, changes or ())
        task = Task.of(experiment, experiments.open_material(experiment))
        seconds = max(stage.seconds for stage in experiment.stages)
        stage = experiments.Stage(size=FRAME_SIZE, seconds=seconds, steps=1)
        plan = Plan(
            experiment=experiment.model_dump(mode="json", include=set(OF_SCENES)),
            seconds=seconds,
            scenes={"train": scenes, "val": validation},
            words=tuple(map(as_pack_category, task.words)),
            told=_told(experiment),
        )
        sources = {"train": task.scenes(stage, "train"), "val": task.scenes(stage, "val")}
        for shard in write_shards(out, plan, sources, each=each, workers=workers):
            console().print(
                f"{out / shard.file}: {len(shard.scenes)} scenes, {shard.bytes >> 20} MiB"
            )


def as_pack_category(word: Category) -> PackCategory:
    """Return a category in the form in which it is stored."""
    fields = ("name", "noun", "verb", "profile")
    return PackCategory.model_validate({name: getattr(word, name) for name in fields})


def _told(experiment: experiments.Experiment) -> tuple[Told, ...]:
    """Return what the truth of all scenes of an experiment tells."""
    every: frozenset[Told] = frozenset({"outlines", "categories", "sentences"})
    for source in experiment.data:
        if source.kind == "filmed":
            every &= experiments.open_filmed(source).told
    return tuple(sorted(every))
