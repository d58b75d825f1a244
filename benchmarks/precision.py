"""Compare engines of every precision: size, speed, quality.

python -m benchmarks.precision triton_repo variants/fp16 variants/int8 --scenes 500
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import matplotlib.pyplot as plt
import numpy as np
import typer
from rich.console import Console
from rich.table import Column, Table

from benchmarks.onnx_predictor import OnnxPredictor
from benchmarks.timing import machine, measure
from model_export.calibration import surest_regions
from model_export.to_onnx import Arrays
from model_export.variants import precision_of
from ssuformer.clip import read_clip
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.repository import open_repository
from ssuformer.terminal import told
from training.evaluation import exam_of, score
from training.experiment import open_pack
from training.held_out import parse_splits

BATCHES = (1, 4, 8)
SHOWN = {"j": "J", "fact_accuracy": "facts", "joint_f1": "F1"}


@dataclass(frozen=True, slots=True)
class Row:
    """One engine of one variant: its size, and its median milliseconds by batch."""

    variant: str
    engine: str
    precision: str
    mib: float
    p50: dict[int, float]


def main(
    models: Annotated[list[Path], typer.Argument(help="Model repositories, the exact one first.")],
    threads: Annotated[int, typer.Option(help="Threads per inference.")] = 1,
    runs: Annotated[int, typer.Option(help="Runs of each engine at each batch.")] = 20,
    frames: Annotated[int, typer.Option(help="Frames of each clip.")] = 5,
    scenes: Annotated[int, typer.Option(help="Composed scenes to score on; 0 for none.")] = 500,
    split: Annotated[str, typer.Option(help="The split of the scenes.")] = "test",
    pack: Annotated[str, typer.Option(help="An asset pack: a folder or a name.")] = "debian",
    sample: Annotated[Path, typer.Option(help="The clip used for timing.")] = Path(
        "samples/music-duet.mp4"
    ),
    picture: Annotated[Path | None, typer.Option(help="Where to draw speed against J.")] = None,
) -> None:
    """Score all on the same scenes, time all in one run, print a table and a JSON line."""
    with told():
        predictors = {folder.name: OnnxPredictor(folder, threads=threads) for folder in models}
    if len(predictors) < len(models):
        raise typer.BadParameter("two model repositories have the same name")
    scores = {
        name: _score(predictor, folder, pack, split, scenes)
        for (name, predictor), folder in zip(predictors.items(), models, strict=True)
    }
    latencies = time_all(predictors, sample, frames=frames, runs=runs)
    rows = [
        Row(
            name, engine, precision_of(path), round(path.stat().st_size / 2**20, 2),
            {batch: round(latencies[name, engine, batch], 2) for batch in BATCHES},
        )
        for name, predictor in predictors.items()
        for engine, path in predictor.files.items()
    ]  # fmt: skip
    title = f"{frames} frames a clip, {threads} thread(s), {scenes} scenes of {split}"
    _print_table(rows, scores, title)
    if picture is not None and scenes:
        _draw(rows, scores, frames, picture)
    facts = {"threads": threads, "frames": frames, "scenes": scenes, "split": split}
    line = {"title": "variants", "machine": machine(), **facts}
    print(json.dumps({**line, "engines": [asdict(row) for row in rows], "scores": scores}))  # noqa: T201


def _score(
    predictor: OnnxPredictor, folder: Path, pack: str, split: str, count: int
) -> dict[str, float]:
    if not count:
        return {}
    manifest = open_repository(folder).manifest
    asked = exam_of(manifest, open_pack(pack), parse_splits(split)[0])
    return score(
        predictor, asked.scenes, count, asked.grammar,
        told=asked.told, categories=manifest.categories,
    )  # fmt: skip


def time_all(
    predictors: dict[str, OnnxPredictor], sample: Path, *, frames: int, runs: int
) -> dict[tuple[str, str, int], float]:
    """Return the median milliseconds of each variant, engine and batch; variants take turns."""
    clip = read_clip(sample)
    first = {
        "frames": np.resize(clip.frames, (1, frames, *clip.frames.shape[1:])),
        "waveform": np.resize(clip.waveform, (1, frames, *clip.waveform.shape[1:])),
    }
    exact = next(iter(predictors.values()))
    run = partial(exact.sessions[SEGMENTATION].run, None)
    (regions,) = surest_regions(exact.specs[SEGMENTATION], run, [first])
    found = {}
    for engine, inputs in ((SEGMENTATION, first), (CAPTION, regions)):
        for batch in BATCHES:
            enough = _repeated(inputs, batch)
            things: dict[str, Callable[[], Any]] = {
                name: partial(predictor.sessions[engine].run, None, enough)
                for name, predictor in predictors.items()
            }
            for timing in measure(things, runs=runs):
                found[timing.name, engine, batch] = timing.p50
    return found


def _repeated(inputs: Arrays, batch: int) -> Arrays:
    return {name: np.resize(array, (batch, *array.shape[1:])) for name, array in inputs.items()}


def _print_table(rows: list[Row], scores: dict[str, dict[str, float]], title: str) -> None:
    batches = (f"ms x{batch}" for batch in BATCHES)
    headings = ("variant", "engine", "MiB", *batches, *SHOWN.values())
    columns = [Column(name, no_wrap=True) for name in headings]
    table = Table(*columns, title=title, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        found = scores[row.variant]
        table.add_row(
            row.variant, row.engine.removeprefix("ssu_"), f"{row.mib:.1f}",
            *(f"{row.p50[batch]:.0f}" for batch in BATCHES),
            *(f"{found[name]:.3f}" if found else "" for name in SHOWN),
        )  # fmt: skip
    Console().print(table)


def on_front(costs: Sequence[float], gains: Sequence[float]) -> list[int]:
    """Return the indices of the Pareto-optimal points."""
    points = list(zip(costs, gains, strict=True))
    return [
        number
        for number, (cost, gain) in enumerate(points)
        if not any(
            other != (cost, gain) and other[0] <= cost and other[1] >= gain for other in points
        )
    ]


def _draw(rows: list[Row], scores: dict[str, dict[str, float]], frames: int, path: Path) -> None:
    """Draw J over time; points on the Pareto front are blue, a circle's area is the size."""
    shown = [row for row in rows if row.engine == SEGMENTATION]
    costs = [row.p50[1] for row in shown]
    gains = [scores[row.variant]["j"] for row in shown]
    sizes = [sum(r.mib for r in rows if r.variant == row.variant) for row in shown]
    front = on_front(costs, gains)
    colours = ["tab:blue" if number in front else "silver" for number in range(len(shown))]
    figure, axes = plt.subplots(figsize=(8, 5), constrained_layout=True)
    axes.scatter(costs, gains, [25 * size for size in sizes], colours, edgecolors="black")
    for row, cost, gain, size in zip(shown, costs, gains, sizes, strict=True):
        axes.annotate(f"{row.variant}, {size:.0f} MiB", (cost, gain), (0, 18),
                      textcoords="offset points", ha="center")  # fmt: skip
    axes.set(
        xlabel=f"milliseconds of the segmentation engine on a CPU, {frames} frames",
        ylabel="J", title="Engines by precision (area: size of both)",
    )  # fmt: skip
    axes.margins(0.25)
    axes.grid(alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    typer.run(main)
