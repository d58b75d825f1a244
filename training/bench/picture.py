"""A picture of quality against speed: a point for each model and engine."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from training.bench.speed import ENGINES
from training.bench.tables import Column, Rows, mean_and_spread

MARKS = dict(zip(ENGINES, "os", strict=True))


def draw(path: Path, rows: Rows, quality: Column, *, frames: int) -> None:
    """Write a PNG of `quality` against the milliseconds of a clip; bars are standard deviations.

    What has no quality or no time is left out.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for number, (row, scores) in enumerate(rows.items()):
        values = scores.get(quality.name)
        if not values:
            continue
        mean, spread = mean_and_spread([quality.times * value for value in values])
        for engine, mark in MARKS.items():
            for milliseconds in scores.get(f"{engine}_ms", ()):
                axes.errorbar(
                    milliseconds, mean, yerr=spread, fmt=mark, color=f"C{number}", capsize=3
                )
                axes.annotate(
                    row, (milliseconds, mean), xytext=(6, 4), textcoords="offset points", size=8
                )
    axes.set_xscale("log")
    for of_ticks in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        of_ticks(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(f"ms per clip of {frames} frames (circle: torch, square: onnxruntime)")
    axes.set_ylabel(quality.heading)
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
