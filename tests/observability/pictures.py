"""Pictures of the dashboards' main panels, drawn from what a real Prometheus has."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from tests.observability.prometheus_server import Prometheus, Result
from tests.observability.targets import Target, targets

MAIN = {
    "overview": (
        "Burn rate: availability",
        "Requests by outcome",
        "Share of unanswered requests",
        "Duration of answered requests",
        "Queue",
        "Rejected and cancelled requests",
    ),
    "latency": (
        "Duration",
        "Requests by duration",
        "Mean time by stage",
        "Speed relative to real time",
        "decode",
        "decode, by duration",
    ),
    "engines": (
        "Inference duration",
        "Frames or regions per inference",
        "Time since the last answer",
        "Open circuits",
        "Triton request: queue and compute time",
        "Batch size: inferences per execution",
    ),
    "capacity": (
        "Replicas",
        "Clips in work, and workers",
        "Busy worker seconds per worker and second",
        "Queue depth and limit",
        "Gateway CPU use and quota",
        "Memory use and limit",
    ),
    "jobs": (
        "Unfinished jobs",
        "Time since the oldest job that waits was sent",
        "Ends of jobs",
        "Seconds of clips done per second",
        "Attempts at webhooks",
        "Clips and results of all jobs",
    ),
    "studio": (
        "Clips by state",
        "Clips prepared per hour",
        "Calls of tools by result",
        "Failed calls by tool",
        "Time of a call of a tool",
        "Edits saved",
    ),
}
_UNITS = {
    "percentunit": "share",
    "reqps": "requests/s",
    "bytes": "",
    "ops": "per second",
    "none": "",
    "x": "x",
}
_STACKED = {
    "Requests by outcome",
    "Mean time by stage",
    "Ends of jobs",
    "Clips prepared per hour",
    "Calls of tools by result",
    "Triton request: queue and compute time",
}
_MOST_NAMES = 8


def draw(board: str, source: Prometheus, start: float, end: float, folder: Path) -> Path:
    """Write `dashboard-<board>.png` and return where it is."""
    with mpl.rc_context(
        {"font.size": 8, "axes.titlesize": 9, "axes.grid": True, "grid.alpha": 0.3}
    ):
        figure = Figure(figsize=(13, 6.2), dpi=75, layout="constrained")
        grid = figure.subplots(2, 3)
        for axes, panel in zip(grid.flat, MAIN[board], strict=True):
            asked = [one for one in targets() if (one.board, one.panel) == (board, panel)]
            _draw_panel(axes, asked, source, start, end)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"dashboard-{board}.png"
        figure.savefig(path, pil_kwargs={"optimize": True})
    return path


def _draw_panel(
    axes: Axes, asked: Sequence[Target], source: Prometheus, start: float, end: float
) -> None:
    first = asked[0]
    unit = _UNITS.get(first.unit, first.unit)
    axes.set_title(f"{first.panel}{f' [{unit}]' if unit else ''}", loc="left", fontweight="bold")
    axes.set_xlim(0, end - start)
    found = [
        (_legend(target.legend, one), one)
        for target in asked
        for one in source.over(target.expr, start, end, step=2.0)
    ]
    if first.kind == "heatmap":
        _heat(axes, [one for _, one in found], start)
    else:
        _lines(axes, found, start, end, stacked=first.panel in _STACKED)
    axes.set_xlabel("seconds of the test")
    if first.unit == "bytes":
        axes.yaxis.set_major_formatter(EngFormatter("B"))


def _legend(pattern: str, one: Result) -> str:
    if pattern == "__auto":
        return ", ".join(value for name, value in one.labels.items() if name != "__name__")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: one.labels.get(found[1], ""), pattern).strip()


def _lines(
    axes: Axes, found: list[tuple[str, Result]], start: float, end: float, *, stacked: bool
) -> None:
    if stacked:
        times = np.arange(0, end - start + 1, 2.0)
        heights = [_sampled(one, start, times) for _, one in found]
        axes.stackplot(times, heights, labels=[name for name, _ in found], alpha=0.7)
    else:
        for name, one in found:
            moments, values = zip(*one.points, strict=True)
            axes.plot(np.array(moments) - start, values, label=name, linewidth=1.2)
    axes.set_ylim(0, 1.35 * axes.get_ylim()[1])
    if len(found) > 0:
        columns = 1 + (len(found) > _MOST_NAMES // 2)
        axes.legend(fontsize=6.5, ncols=columns, framealpha=0.6)


def _sampled(one: Result, start: float, times: np.ndarray) -> np.ndarray:
    known = {round((moment - start) / 2): value for moment, value in one.points}
    values = [known.get(number, 0.0) for number in range(len(times))]
    return np.array([value if math.isfinite(value) else 0.0 for value in values])


def _heat(axes: Axes, found: list[Result], start: float) -> None:
    bounds = sorted({float(one.labels["le"]) for one in found})
    by_bound = {float(one.labels["le"]): dict(one.points) for one in found}
    moments = sorted({moment for one in found for moment, _ in one.points})
    below = np.array([[by_bound[b].get(m, 0.0) for m in moments] for b in bounds])
    counts = np.diff(below, axis=0, prepend=0)
    used = [row for row in range(len(bounds)) if counts[row].any()]
    low, high = used[0], used[-1] + 1
    axes.pcolormesh(
        np.array(moments) - start,
        np.arange(low, high),
        np.ma.masked_equal(counts[low:high], 0),
        cmap="magma_r",
        norm=PowerNorm(0.5, vmin=0),
        shading="nearest",
    )
    axes.set_yticks(range(low, high), [f"≤ {bounds[row]:g}" for row in range(low, high)])
