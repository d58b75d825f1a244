"""Processor time of a scene: from shards, composed on the fly, and from a folder of films.

python -m benchmarks.loading training/configs/tiny.toml --films samples
"""

from __future__ import annotations

import tempfile
import time
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.timing import report, summary
from ssuformer.contract import FRAME_SIZE
from training import experiment as experiments
from training.batch import SceneSource
from training.data.filmed import Excerpts
from training.data.kinds import open_films
from training.data.shards import Plan, Shards, write_shards
from training.experiment import Stage
from training.packs.pack import PackCategory
from training.task import Task


def shards_of(source: SceneSource, names: tuple[str, ...], folder: Path, scenes: int) -> Shards:
    """Write scenes of a source into shards and open them."""
    words = tuple(PackCategory(name=n, noun=n, verb="sounds", profile="music") for n in names)
    plan = Plan(experiment={}, seconds=1, scenes={"train": scenes}, words=words, told=("outlines",))
    for _ in write_shards(folder, plan, {"train": source}, each=scenes):
        pass
    return Shards(folder)


def main(
    config: Annotated[Path, typer.Argument(help="An experiment: whose scenes are composed.")],
    films: Annotated[Path, typer.Option(help="A folder of films with truth.")] = Path("samples"),
    scenes: int = 40,
    seconds: int = 4,
) -> None:
    """Time scenes of each source by turns, in one process, by its processor time."""
    experiment = experiments.read(config)
    task = Task.of(experiment, experiments.open_material(experiment))
    composed = task.scenes(Stage(size=FRAME_SIZE, seconds=seconds, steps=1), "train")
    data = open_films(films)
    filmed = Excerpts(data, categories=data.categories, size=FRAME_SIZE, seconds=seconds)
    with tempfile.TemporaryDirectory() as folder:
        of_composed = shards_of(composed, task.categories, Path(folder) / "composed", scenes)
        of_films = shards_of(filmed, data.categories, Path(folder) / "films", scenes)
        sources: dict[str, SceneSource] = {
            "composed": composed,
            "shards of these": of_composed,
            "folder of films": filmed,
            "shards of those": of_films,
        }
        taken: dict[str, list[float]] = {name: [] for name in sources}
        numbers = count()
        for _ in range(scenes):
            number = next(numbers)
            for name, source in sources.items():
                began = time.process_time()
                source.compose(number)
                taken[name].append(1e3 * (time.process_time() - began))
        size = {
            name: sum(shard.bytes for shard in shards.index.shards) // scenes >> 10
            for name, shards in (("composed", of_composed), ("films", of_films))
        }
    timings = [summary(name, values) for name, values in taken.items()]
    p50 = {t.name: t.p50 for t in timings}
    report(
        f"one scene of {seconds} s, processor time",
        timings,
        scenes_per_second_and_core={name: round(1e3 / value, 1) for name, value in p50.items()},
        shards_against_composing=round(p50["composed"] / p50["shards of these"], 2),
        shards_against_folder=round(p50["folder of films"] / p50["shards of those"], 2),
        kib_per_scene=size,
    )


if __name__ == "__main__":
    typer.run(main)
