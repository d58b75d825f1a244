"""`python -m training compare`: the families on the same scenes, budget and seeds, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, get_args

import typer

from ssuformer.model import checkpoint as checkpoints
from ssuformer.model.config import Family
from ssuformer.terminal import console, told
from training import experiment as experiments
from training import fit as fitting
from training.bench import picture, speed
from training.bench.options import (
    Config,
    Data,
    Device,
    Films,
    Out,
    Scenes,
    Seeds,
    Splits,
    Train,
    exam_names,
    parse_names,
    parse_seeds,
)
from training.bench.runs import Exams, Measured, Trial, finished, scores, shortfall
from training.bench.tables import Column, Rows, Table, quality_columns
from training.evaluation import cost
from training.predictor import TorchPredictor

PUBLISHED = {
    "tpavi": "78.7 / 54.0 (PVT-v2; table 1 of arXiv 2305.07223)",
    "transavs": "89.4 / 63.5 (Swin-B; its table 1, arXiv 2305.07223)",
    "avesformer": "79.9 / 57.9 (its abstract, August 2024)",
}
"""Mean J on AVSBench, single and multiple sources: other data and encoders than ours."""


def compare(
    config: Config,
    out: Out,
    families: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(
        get_args(Family)
    ),
    seeds: Seeds = "1,2",
    data: Data = None,
    splits: Splits = None,
    scenes: Scenes = 60,
    films: Films = "films",
    device: Device = "cpu",
    turns: Annotated[int, typer.Option(min=1, help="Turns in which speed is measured.")] = 15,
    *,
    train: Train = True,
    export: Annotated[bool, typer.Option(help="Time onnxruntime, too.")] = True,
) -> None:
    """Train each family with each seed, evaluate all alike, and write one table.

    OUT/table.md, .csv, .tex and .json, and OUT/quality-speed.png. Killed anywhere, the same command
    goes on. Filmed clips come first, each score beside those with another clip's sound and with
    none. Speed is measured last, by turns; onnxruntime's is that of the exported first seed.

    Examples:

    `python -m training compare training/configs/family.toml --out runs --seeds 1,2 --data films`

    `python -m training compare CONFIG --out runs --families catr,tpavi --no-train --no-export`
    """
    with told():
        if export:
            speed.require_export()
        trials = _trials(config, families, seeds)
        first = trials[0].experiment
        names = exam_names(data, splits, usual="photographic,test,test-style", experiment=first)
        place = fitting.open_device(device)
        exams = Exams(first.pack, films)
        if train:
            exams.require(names, first)
        done = finished(trials, out, place, train=train)
        rows = scores(done, out, exams, names, scenes=scenes, device=place)
        runs = {trial.name: trial.folder(out) for trial in reversed(done)}
        _add_costs(rows, runs)
        for name, taken in speed.speeds(runs, place, turns=turns, exported=export).items():
            rows[name] |= taken
        columns = _columns(names, rows)
        title = f"Mean and standard deviation over seeds; {scenes} scenes of each split."
        texts = {"published J, AVSBench S4 / MS3": PUBLISHED, **shortfall(trials, done)}
        table = Table(title, columns, rows, texts)
        table.write(out)
        picture.draw(out / "quality-speed.png", rows, columns[0], frames=speed.FRAMES)
        console().print(table.markdown(), soft_wrap=True, markup=False)


def _trials(config: Path, families: str, seeds: str) -> list[Trial]:
    return [
        Trial(family, experiments.read(config, [f"model.family={family}", f"seed={seed}"]))
        for family in parse_names(families, get_args(Family), "--families")
        for seed in parse_seeds(seeds)
    ]


def _add_costs(rows: Measured, runs: Mapping[str, Path]) -> None:
    for name, folder in runs.items():
        model, manifest = checkpoints.load(folder / "checkpoint")
        spent = cost(TorchPredictor.of(model, manifest), frames=speed.FRAMES)
        rows[name] |= {key: [spent[key]] for key in ("parameters", "gflops_per_frame")}


def _columns(names: list[str], rows: Rows) -> list[Column]:
    return [
        *quality_columns(names, rows),
        Column("parameters", "M parameters", 1e-6),
        Column("gflops_per_frame", "GFLOPs per frame", 1, 2),
        *(Column(f"{engine}_ms", f"ms per clip, {engine}", 1, 0) for engine in speed.ENGINES),
        *(Column(f"{engine}_fps", f"FPS, {engine}") for engine in speed.ENGINES),
    ]
