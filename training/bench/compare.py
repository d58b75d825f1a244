"""`python -m training compare`: the families on the same scenes, budget and seeds, in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import torch
import typer

from ssuformer.errors import OptionError
from ssuformer.model import checkpoint as checkpoints
from ssuformer.model.config import Family
from ssuformer.terminal import console, told
from training import experiment as experiments
from training import fit as fitting
from training.bench.runs import Exams, Trial, evaluated
from training.bench.tables import Column, Table
from training.evaluation import CONTROLS, cost
from training.predictor import TorchPredictor
from training.progress import Progress

PUBLISHED = {
    "tpavi": "78.7 / 54.0 (PVT-v2; table 1 of arXiv 2305.07223)",
    "transavs": "89.4 / 63.5 (Swin-B; its table 1, arXiv 2305.07223)",
    "avesformer": "79.9 / 57.9 (its abstract, August 2024)",
}
"""Mean J on AVSBench, single and multiple sources: other data and encoders than ours."""


def compare(
    config: Annotated[Path, typer.Argument(help="An experiment file; `model.family` is replaced.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs and the table.")],
    families: Annotated[str, typer.Option(help="Separated by commas.")] = ",".join(
        get_args(Family)
    ),
    seeds: Annotated[str, typer.Option(help="Separated by commas.")] = "1,2",
    data: Annotated[list[str] | None, typer.Option(help="Filmed clips: `DIR[:split]`.")] = None,
    splits: Annotated[str, typer.Option(help="Held-out scenes.")] = "photographic,test,test-style",
    scenes: Annotated[int, typer.Option(min=2, help="Scenes of each split.")] = 60,
    films: Annotated[str, typer.Option(help="Pack of film material.")] = "films",
    device: Annotated[str, typer.Option(help="Where to train and evaluate: cpu, cuda.")] = "cpu",
    *,
    train: Annotated[bool, typer.Option(help="Train what is missing.")] = True,
) -> None:
    """Train each family with each seed, evaluate all alike, and write one table.

    OUT/table.md, .csv, .tex and .json. Killed anywhere, the same command goes on. Filmed clips come
    first, each score beside those with another clip's sound and with none. Speed is that of
    `python -m benchmarks.segmentation`.

    Examples:

    `python -m training compare training/configs/family.toml --out runs --seeds 1,2 --data films`

    `python -m training compare CONFIG --out runs --families catr,tpavi --no-train`
    """
    with told():
        trials = _trials(config, families, seeds)
        place = fitting.open_device(device)
        for trial in trials:
            if not trial.finished(out) and train:
                console(errors=True).print(f"training {trial.folder(out)}")
                trial.train(out, place)
        finished = [trial for trial in trials if trial.finished(out)]
        for trial in trials:
            if trial not in finished:
                console(errors=True).print(f"left out, not at its end: {trial.folder(out)}")
        if not finished:
            raise OptionError(f"{out} has no finished run of {config}")
        exams = [*(f"data:{folder}" for folder in data or ()), *splits.split(",")]
        pack = trials[0].experiment.pack
        table = _table(finished, out, Exams(pack, films), exams, scenes, place)
        table.write(out)
        console().print(table.markdown(), soft_wrap=True)


def _trials(config: Path, families: str, seeds: str) -> list[Trial]:
    unknown = set(families.split(",")) - set(get_args(Family))
    if unknown or not all(seed.isdigit() for seed in seeds.split(",")):
        raise OptionError(
            f"--families are of {', '.join(get_args(Family))}, --seeds are numbers: 1,2"
        )
    return [
        Trial(family, experiments.read(config, [f"model.family={family}", f"seed={seed}"]))
        for family in families.split(",")
        for seed in seeds.split(",")
    ]


def _table(
    trials: list[Trial], out: Path, exams: Exams, names: list[str], scenes: int,
    device: torch.device,
) -> Table:  # fmt: skip
    rows: dict[str, dict[str, list[float]]] = {}
    pieces = [(t, name, c) for t in trials for name in names for c in CONTROLS]
    with Progress(len(pieces)) as progress:
        for number, (trial, name, control) in enumerate(pieces, start=1):
            folder = trial.folder(out)
            scores = evaluated(folder, exams, name, control, scenes, device)
            row = rows.setdefault(trial.name, {})
            for key, value in scores.items():
                row.setdefault(f"{name} {control or 'own'} {key}", []).append(value)
            progress.advance(number, {})
    for trial in trials:
        row = rows[trial.name]
        if "gflops_per_frame" not in row:
            model, manifest = checkpoints.load(trial.folder(out) / "checkpoint")
            spent = cost(TorchPredictor.of(model, manifest), frames=5)
            row |= {key: [spent[key]] for key in ("parameters", "gflops_per_frame")}
    title = f"Mean and standard deviation over seeds; {scenes} scenes of each split."
    texts = {"published J, AVSBench S4 / MS3": PUBLISHED}
    return Table(title, _columns(names), rows, texts)


def _columns(names: list[str]) -> list[Column]:
    columns = []
    for name in names:
        lead, short = ("located", "films") if name.startswith("data:") else ("j", name)
        shown = "located" if lead == "located" else "J"
        for control, sound in zip(CONTROLS, ("", ", other sound", ", no sound"), strict=True):
            key = f"{name} {control or 'own'} {lead}"
            columns.append(Column(key, f"{short} {shown}{sound}", 100))
        if lead == "located":
            key = f"{name} own silent_with_region"
            columns.append(Column(key, "films silent with region", 100))
        else:
            columns.append(Column(f"{name} own f", f"{short} F", 100))
            columns.append(Column(f"{name} own false_alarm_area", f"{short} false alarms", 100, 2))
    return [
        *columns,
        Column("parameters", "M parameters", 1e-6),
        Column("gflops_per_frame", "GFLOPs per frame", 1, 2),
    ]
