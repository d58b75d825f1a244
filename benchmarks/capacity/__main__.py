"""Replicas, latency and cost for 1, 100 and 10,000 clips per second.

A simulation of the service, based on the processing times of single clips. It is compared with the
measured curve of one node under rising load, in the same run, request by request: the same clips at
the same times.

python -m benchmarks.capacity measure                  # 35 minutes, on an otherwise idle machine
python -m benchmarks.capacity check                    # compares simulation and measurement
python -m benchmarks.capacity plan                     # replicas, p99, cost
python -m benchmarks.capacity plan --p99 3 --vcpu-hour 0.05 --gpu-hour 1.1
python -m benchmarks.capacity plan --document docs/capacity.md
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import tempfile
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import typer
from matplotlib.axes import Axes
from rich.console import Console
from rich.progress import Progress

from benchmarks.capacity import node_curve, service_times
from benchmarks.capacity.fleet import Prices, Seen
from benchmarks.capacity.node_curve import CurvePoint, Measured, ratios, simulate_curve
from benchmarks.capacity.planning import CELL, Goal, loaded, plans, traffic_of, variations
from benchmarks.capacity.tables import (
    assumption_sheet,
    curve_sheet,
    demand_sheet,
    plan_sheet,
    times_sheet,
    variation_sheet,
    write,
)
from benchmarks.gateway import clips_of, service
from benchmarks.load import Level

_HELP = (__doc__ or "").replace("\n\npython", "\n\n\b\npython")
app = typer.Typer(no_args_is_help=True, help=_HELP, rich_markup_mode=None)
OUT = Path("out/capacity")
WITHIN = 0.15
"""Allowed relative error of the simulation."""
CLIPS = 20_000
PICTURE = "capacity.png"
_WIDTH = 140
_File = Annotated[Path, typer.Option(help="The measurement, as JSON.")]


@app.command()
def measure(
    file: _File = node_curve.FILE,
    runs: Annotated[
        int, typer.Option(help="Runs of each clip alone, before and after each rate.")
    ] = 5,
    size: Annotated[list[int] | None, typer.Option(help="Lengths of the clips, s.")] = None,
    rate: Annotated[list[float] | None, typer.Option(help="Clips per second, rising.")] = None,
    seconds: Annotated[float, typer.Option(help="Duration of each rate.")] = 120.0,
    rounds: Annotated[int, typer.Option(help="Number of rounds of rising load.")] = 3,
    workers: int = 2,
    queue: int = 16,
    out: Annotated[Path, typer.Option(help="Folder of requests.jsonl.")] = OUT,
) -> None:
    """Measure clips alone and one node at rising rates, alternately; write both, and check them."""
    out.mkdir(parents=True, exist_ok=True)
    sizes, rates = sorted(size or [2, 5, 10, 30]), rate or [0.5, 1.0, 2.0, 4.0, 6.0]
    command = shlex.join(["python", "-m", "benchmarks.capacity", *sys.argv[1:]])
    with (
        Progress(console=Console(stderr=True)) as bar,
        tempfile.TemporaryDirectory() as folder,
        service("onnx", workers=workers, queue=queue) as running,
    ):
        task = bar.add_task("measuring", total=1 + rounds * len(rates))
        clips = clips_of(sizes, Path(folder))
        by_size = dict(zip(sizes, clips, strict=True))
        alone = [service_times.measure(running, by_size, runs=runs, command=command)]
        bar.advance(task)
        levels: dict[float, list[tuple[Level, float]]] = {one: [] for one in rates}
        rows = out / "requests.jsonl"
        rows.unlink(missing_ok=True)
        for seed, one in product(range(rounds), rates):
            levels[one].append(
                node_curve.measure_level(
                    running, clips, per_second=one, seconds=seconds, seed=seed, rows=rows
                )
            )
            alone.append(service_times.measure(running, by_size, runs=runs, command=command))
            bar.advance(task)
    curve = tuple(
        CurvePoint.of([level for level, _ in seen], foreign_cores=max(other for _, other in seen))
        for seen in levels.values()
    )
    measured = Measured(alone=tuple(alone), workers=workers, queue_limit=queue, curve=curve)
    file.write_text(measured.model_dump_json(indent=1) + "\n")
    check(file)


@app.command()
def check(file: _File = node_curve.FILE) -> None:
    """Simulate the measured node.

    Exits with 1 if throughput, mean, p50 or p95 at any rate is off by more than 15 %.
    """
    measured = node_curve.read(file)
    simulated = simulate_curve(measured)
    Console(width=_WIDTH).print(curve_sheet(measured, simulated).rich())
    pairs = list(zip(simulated, measured.curve, strict=True))
    worst = max(abs(ratio - 1) for pair in pairs for ratio in ratios(*pair).values())
    points = [{"measured": m.model_dump(), "simulated": s.model_dump()} for s, m in pairs]
    foreign = max(point.foreign_cores for point in measured.curve)
    facts = {"worst": worst, "within": WITHIN, "most_foreign_cores": foreign, "curve": points}
    print(json.dumps(facts))  # noqa: T201
    if worst > WITHIN:
        raise typer.Exit(1)


@app.command()
def plan(
    file: _File = node_curve.FILE,
    p99: Annotated[float, typer.Option(help="Maximum p99 latency in seconds.")] = 5.0,
    vcpu_hour: Annotated[float, typer.Option(help="Dollars; an assumption.")] = 0.04,
    gpu_hour: Annotated[float, typer.Option(help="Dollars; an assumption.")] = 0.80,
    clips: Annotated[int, typer.Option(help="Clips in each simulation.")] = CLIPS,
    out: Annotated[Path, typer.Option(help="Folder of capacity.png.")] = OUT,
    document: Annotated[
        Path | None, typer.Option(help="Document for the tables; the picture goes to pictures/.")
    ] = None,
) -> None:
    """Find the smallest fleets that meet the latency goal, with and without GPUs."""
    out.mkdir(parents=True, exist_ok=True)
    measured = node_curve.read(file)
    traffic = traffic_of(measured, CELL, clips=clips)
    goal, prices = Goal(p99_seconds=p99), Prices(vcpu_hour=vcpu_hour, gpu_hour=gpu_hour)
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("simulating", total=None)
        found = plans(traffic, goal, prices, progress=lambda: bar.advance(task))
        cell = next(one.fleet for one in found if one.rate == CELL)
        others = variations(cell, goal, traffic)
        draw(measured, loaded(traffic), out / PICTURE)
        bar.update(task, total=1, completed=1)
    sheets = [
        times_sheet(measured),
        curve_sheet(measured, simulate_curve(measured)),
        demand_sheet(measured, traffic),
        assumption_sheet(prices),
        plan_sheet(found),
        variation_sheet(others),
    ]
    for sheet in sheets:
        Console(width=_WIDTH).print(sheet.rich())
    if document:
        write(document, sheets)
        shutil.copy(out / PICTURE, document.parent / "pictures" / PICTURE)
    facts = {"goal": asdict(goal), "plans": [asdict(one) for one in found]}
    print(json.dumps(facts))  # noqa: T201


def draw(measured: Measured, loads: dict[str, list[tuple[float, Seen]]], path: Path) -> None:
    """Draw the check of one node, and a cell at rising load."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), constrained_layout=True)
    _draw_curve(left, middle, measured)
    for routing, seen in loads.items():
        shares = [load for load, _ in seen]
        line = right.plot(shares, [s.p99 for _, s in seen], marker=".", label=f"p99, {routing}")
        color = line[0].get_color()
        right.plot(shares, [s.p50 for _, s in seen], "--", color=color, label=f"p50, {routing}")
    right.set(xlabel="offered work over cores", ylabel="seconds to the answer", yscale="log",
              title=f"{CELL:g} clips/s without GPUs, simulated")  # fmt: skip
    for axes in (left, right):
        axes.set_yticks([0.2, 0.5, 1, 2, 5, 10, 20])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("")
        axes.set_ylim(0.2, 40)
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", loc="upper left")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_curve(left: Axes, middle: Axes, measured: Measured) -> None:
    offered = [point.per_second for point in measured.curve]
    for name, curve, style in (
        ("measured", measured.curve, "o"),
        ("simulated", simulate_curve(measured), "-"),
    ):
        for figure, color in (("p50", "C0"), ("p95", "C1")):
            values = [getattr(point, figure) for point in curve]
            left.plot(offered, values, style, color=color, label=f"{figure} {name}")
        middle.plot(offered, [point.throughput for point in curve], style, color="C2", label=name)
    left.set(xlabel="clips offered per second", ylabel="seconds to the answer", yscale="log",
             title="one node")  # fmt: skip
    middle.set(xlabel="clips offered per second", ylabel="clips answered per second",
               title="one node")  # fmt: skip


if __name__ == "__main__":
    app()
