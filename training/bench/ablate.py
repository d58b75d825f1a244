"""`python -m training ablate`: one model without each of its parts, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ssuformer.errors import OptionError
from ssuformer.terminal import console, told
from training import fit as fitting
from training.bench import differences
from training.bench.description import DESCRIBED
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
from training.bench.runs import Exams, Trial, finished, scores, shortfall
from training.bench.tables import Column, Rows, Table, lead, short
from training.bench.variants import VARIANTS, WHOLE, of_steps
from training.experiment import Experiment


def ablate(
    config: Config,
    out: Out,
    variants: Annotated[
        str, typer.Option(help=f"Separated by commas; `{WHOLE}` is always among them.")
    ] = ",".join(VARIANTS),
    seeds: Seeds = "1,2,3",
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of each run; the default is the experiment's.")
    ] = None,
    data: Data = None,
    splits: Splits = None,
    scenes: Scenes = 60,
    films: Films = "films",
    device: Device = "cpu",
    *,
    train: Train = True,
) -> None:
    """Train an experiment without each of its parts, evaluate all alike, and write one table.

    OUT/table.md, .csv, .tex and .json, and OUT/differences.csv. Killed anywhere, the same command
    goes on. Each row says what is left out, and of each difference from the whole whether it is
    real: larger than `2 s sqrt(1/n + 1/m)`, s the pooled standard deviation of n and m runs.
    Sentences are compared under true masks. What an experiment has none of cannot be left out.

    Examples:

    `python -m training ablate training/configs/family.toml --out ablation --seeds 1,2,3`

    `python -m training ablate CONFIG --out ablation --variants avc,ssu-d,ssu-s --steps 300`

    `python -m training ablate CONFIG --out ablation --data films:test --no-train`
    """
    with told():
        left_out, trials = _trials(config, variants, parse_seeds(seeds), steps)
        whole = trials[0].experiment
        names = exam_names(data, splits, usual="photographic,test", experiment=whole)
        place = fitting.open_device(device)
        exams = Exams(whole.pack, films)
        if train:
            exams.require(names, whole)
        done = finished(trials, out, place, train=train)
        if not any(trial.name == WHOLE for trial in done):
            raise OptionError(f"{out} has no finished run of the whole, {WHOLE}")
        rows = scores(done, out, exams, names, scenes=scenes, device=place)
        leading = [column for name in names for column in _leading(name, names, rows)]
        table = Table(
            f"Mean and standard deviation over seeds; {whole.steps} steps, "
            f"{scenes} scenes of each split. Sentences under true masks.",
            [
                column
                for name in names
                for column in [*_leading(name, names, rows), *_others(name, names, rows)]
            ],
            rows,
            {
                "leaves out": left_out,
                "against the whole": differences.in_words(rows, WHOLE, leading),
                **shortfall(trials, done),
            },
        )
        table.write(out)
        (out / "differences.csv").write_text(differences.as_csv(rows, WHOLE))
        console().print(table.markdown(), soft_wrap=True, markup=False)


def _trials(
    config: Path, variants: str, seeds: Sequence[int], steps: int | None
) -> tuple[dict[str, str], list[Trial]]:
    """Return what each variant leaves out, and the runs of all seeds."""
    names = dict.fromkeys([WHOLE, *parse_names(variants, VARIANTS, "--variants")])
    trials = []
    for name in names:
        for seed in seeds:
            experiment = VARIANTS[name].experiment(config, [f"seed={seed}"])
            if experiment is None:
                console(errors=True).print(f"no variant of {config}: {name}")
                break
            if steps:
                experiment = of_steps(experiment, steps)
            trials.append(Trial(name, experiment, _sounds(experiment)))
    there = dict.fromkeys(trial.name for trial in trials)
    return {name: VARIANTS[name].leaves_out for name in there}, trials


def _sounds(experiment: Experiment) -> tuple[str, ...]:
    """Return what to measure: masks under two sounds and sentences, but not what is untrained."""
    losses = experiment.losses
    masks = ("", "shuffled") if losses.mask or losses.dice or losses.union else ()
    return (*masks, DESCRIBED) if losses.caption else masks


def _leading(name: str, names: Sequence[str], rows: Rows) -> list[Column]:
    """Return the columns whose differences are said in words."""
    (score, shown), exam = lead(name, rows), short(name, names)
    return [
        Column(f"{name} own {score}", f"{exam} {shown}", 100),
        Column(f"{name} {DESCRIBED} cider_d", f"{exam} CIDEr-D", 100),
    ]


def _others(name: str, names: Sequence[str], rows: Rows) -> list[Column]:
    (score, shown), exam = lead(name, rows), short(name, names)
    silent = "silent_with_region" if score == "located" else "false_alarm_area"
    return [
        Column(f"{name} shuffled {score}", f"{exam} {shown}, other sound", 100),
        Column(f"{name} own {silent}", f"{exam} false alarms", 100),
        Column(f"{name} own joint_f1", f"{exam} joint F1", 100),
        Column(f"{name} {DESCRIBED} rouge_l", f"{exam} ROUGE-L", 100),
    ]
