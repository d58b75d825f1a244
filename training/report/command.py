"""`python -m training report`: evaluate runs, look inside them, and write one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

import torch
import typer

from ssuformer.errors import ConfigError, OptionError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint as checkpoints
from ssuformer.repository import WEIGHTS
from ssuformer.terminal import console, told
from training import fit as fitting
from training.bench.options import Data, Films, exam_names
from training.bench.runs import Exams, require_writable
from training.bench.tables import Table, quality_columns
from training.evaluation import Exam, under_controls
from training.held_out import HeldOut
from training.report import figures
from training.report.curves import read_curves
from training.report.findings import Findings
from training.report.inside import RoutedPredictor, expert_names, experts_of
from training.report.page import ExamPart, Grid, Page
from training.report.shown import extremes, shown
from training.score_table import HEADINGS, rows


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run with its model."""

    name: str
    folder: Path
    manifest: Manifest
    predictor: RoutedPredictor


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, as `fit` writes them.")],
    out: Annotated[
        Path, typer.Option(help="The page to write.", dir_okay=False, writable=True)
    ] = Path("report.html"),
    data: Data = None,
    splits: Annotated[
        str,
        typer.Option(help=f"Held-out scenes, separated by commas: {', '.join(get_args(HeldOut))}."),
    ] = "test",
    scenes: Annotated[int, typer.Option(min=2, help="Scenes of each exam, at most.")] = 60,
    show: Annotated[int, typer.Option(min=1, help="Worst and best scenes to show of each.")] = 3,
    pack: Annotated[
        str, typer.Option(help="Pack of held-out scenes; the default is the first run's.")
    ] = "",
    films: Films = "films",
    device: Annotated[str, typer.Option(help="Where to evaluate: cpu, cuda.")] = "cpu",
) -> None:
    """Write one HTML page about one or several runs, side by side.

    Learning curves, scores as `evaluate` measures them, J against what a frame is like, confusion
    of categories, router use of MoHE, the worst and best scenes beside their truth, and where
    queries look. The page needs no other file and asks for none. Runs have the same categories.
    Evaluated is `checkpoint`, the end of the schedule; nothing in the runs is changed.

    Examples:

    `python -m training report runs/tiny --scenes 200`

    `python -m training report runs/catr-1 runs/tpavi-1 --out families.html --splits photographic`

    `python -m training report runs/small --data ~/AVSBench/Multi-sources:test --device cuda`
    """
    with told():
        place = fitting.open_device(device)
        require_writable(out.parent)
        names = exam_names(data, splits)
        opened = _open(runs, place)
        exams = Exams(pack or _pack_of(opened[0].manifest), films)
        page = _page(opened, exams, names, scenes=scenes, show=show)
        out.write_text(page.html(), encoding="utf-8")
        console().print(str(out), soft_wrap=True)


def _open(folders: Sequence[Path], device: torch.device) -> list[OpenRun]:
    """Open runs; OptionError if they cannot be put side by side."""
    opened = []
    for folder in folders:
        if not (folder / "checkpoint").is_dir():
            raise ConfigError(
                f"{folder} is no run: it has no folder `checkpoint`; name the folder that "
                "`python -m training fit` wrote with --out"
            )
        model, manifest = checkpoints.load(folder / "checkpoint")
        predictor = RoutedPredictor.of(model.to(device), manifest)
        opened.append(OpenRun(_name(folder, folders), folder, manifest, predictor))
    if len({run.name for run in opened}) < len(opened):
        raise OptionError("a run is named twice")
    for run in opened:
        if run.manifest.categories != opened[0].manifest.categories:
            raise OptionError(
                f"{run.folder} and {opened[0].folder} know different categories, and so see "
                "different scenes: report them one by one"
            )
    return opened


def _name(folder: Path, folders: Sequence[Path]) -> str:
    """Return the folder's name, after its parent's if others are called the same."""
    path = folder.resolve()
    alike = sum(other.resolve().name == path.name for other in folders)
    return f"{path.parent.name}/{path.name}" if alike > 1 else path.name


def _pack_of(manifest: Manifest) -> str:
    experiment = manifest.training.get("experiment")
    return str(experiment.get("pack", "debian")) if isinstance(experiment, dict) else "debian"


def _page(
    runs: Sequence[OpenRun], exams: Exams, names: Sequence[str], *, scenes: int, show: int
) -> Page:
    parts, summary = [], dict[str, dict[str, list[float]]]()
    for name in names:
        count = min(scenes, exams.count(name, scenes))
        part, found = _part(runs, exams, name, count=count, show=show)
        parts.append(part)
        for run, scores in found.items():
            summary.setdefault(run, {}).update(scores)
    table = Table("In percent, under each sound.", quality_columns(names, summary), summary, {})
    curves = {run.name: read_curves(run.folder) for run in runs}
    return Page(
        title=f"Report of {', '.join(run.name for run in runs)}",
        runs=_runs_grid(runs),
        colours={run.name: figures.colour(number) for number, run in enumerate(runs)},
        curves=figures.curves(curves),
        without_experts=[run.name for run in runs if not experts_of(run.predictor.model)],
        scores=_beside(table),
        exams=parts,
    )


def _beside(table: Table) -> Grid:
    """Return the table with a column for each run."""
    names, *columns = zip(table.headings(), *table.lines(), strict=True)
    return Grid(table.title, list(names), [list(column) for column in columns])


def _part(
    runs: Sequence[OpenRun], exams: Exams, name: str, *, count: int, show: int
) -> tuple[ExamPart, Mapping[str, Mapping[str, list[float]]]]:
    """Return what the page tells of an exam, and by run its scores as rows of the bench."""
    findings, routes = dict[str, Findings](), dict[str, str | None]()
    columns, bench = dict[str, dict[str, float]](), dict[str, dict[str, list[float]]]()
    taken: dict[str, tuple[RoutedPredictor, Exam]] = {}
    for run in runs:
        console(errors=True).print(f"evaluating {run.name}")
        exam = exams.of(name, run.manifest)
        taken[run.name] = (run.predictor, exam)
        findings[run.name] = Findings(boxes="boxes" in exam.told)
        scores = under_controls(
            name, run.predictor, exam, count, run.manifest.categories, findings[run.name].watch
        )
        routes[run.name] = _routes(run.predictor)
        for key, found in scores.items():
            control = key[len(name) + 1 :]
            columns[f"{run.name}, {HEADINGS[control]}"] = found
            row = bench.setdefault(run.name, {})
            row.update({f"{name} {control or 'own'} {k}": [v] for k, v in found.items()})
    worst, best = extremes(list(findings.values()), show)
    boxes = "boxes" in exams.of(name, runs[0].manifest).told
    score = "IoU with a box" if boxes else "J"
    categories = runs[0].manifest.categories
    return ExamPart(
        title=_title(name),
        score=score,
        scenes=count,
        grid=Grid("As evaluate measures them.", ["", *columns], list(rows(columns, list(columns)))),
        factors=figures.factors({run: found.values for run, found in findings.items()}, score),
        confusion=figures.confusion({run: found.pairs for run, found in findings.items()}),
        routes=routes,
        worst=[shown(number, taken, categories) for number in worst],
        best=[shown(number, taken, categories) for number in best],
    ), bench  # fmt: skip


def _routes(predictor: RoutedPredictor) -> str | None:
    shares = predictor.take_routes()
    if shares is None:
        return None
    return figures.routes(shares, expert_names(experts_of(predictor.model)[0]))


def _title(exam: str) -> str:
    return Path(exam.removeprefix("data:")).name


def _runs_grid(runs: Sequence[OpenRun]) -> Grid:
    facts = {
        run.name: {
            "family": run.predictor.model.config.family,
            "preset": run.predictor.model.config.preset,
            "steps": f"{run.manifest.steps}",
            "seed": f"{run.manifest.data_seed}",
            "parameters": f"{run.manifest.parameters:,}",
            "categories": f"{len(run.manifest.categories)}",
            "code": run.manifest.git_revision,
            "made": f"{run.manifest.created:%Y-%m-%d %H:%M} UTC",
            "weights": run.manifest.digests[WEIGHTS][:12],
        }
        for run in runs
    }
    headings = list(facts[runs[0].name])
    lines = [[name, *found.values()] for name, found in facts.items()]
    return Grid("What was evaluated: the end of each run.", ["", *headings], lines)
