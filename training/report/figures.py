"""The page's charts, drawn by matplotlib, each as an address that holds the whole picture.

A chart is small: the page puts several beside each other, or below each other on a narrow screen.

Axes: h w pixels, y x cells, i caption layers, e experts.
"""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from ssuformer.model.experts import CHOSEN
from training.report.curves import Curve
from training.report.findings import FACTORS, NO_REGION, NOTHING_THERE, Factor, Pairs, Values

MOST_CATEGORIES = 14
OTHERS = "others"
MOST_POINTS = 200
"""Of a learning curve; of a longer one, neighbours are drawn as their mean."""
SMOOTHED = 9
"""Points in the running mean of a learning curve."""

_STYLE: dict[Any, Any] = {
    "axes.labelsize": 8, "axes.titlesize": 9, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "axes.spines.top": False, "axes.spines.right": False,
    "svg.fonttype": "none", "svg.hashsalt": "report",
}  # fmt: skip


def colour(number: int) -> str:
    """Return the colour of a run in every chart, as `#rrggbb`."""
    return to_hex(f"C{number}")


def picture(pixels: npt.NDArray[np.uint8]) -> str:
    """Return pixels `[h w 3]` as a JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return _address("image/jpeg", file.getvalue())


def heat(cells: npt.NDArray[np.float32]) -> str:
    """Return cells `[y x]` as a PNG to lay over a picture: the highest is brightest."""
    share = cells / max(float(cells.max()), 1e-12)
    pixels = mpl.colormaps["inferno"](share, bytes=True)
    pixels[..., 3] = np.round(255 * (0.5 + 0.25 * share))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return _address("image/png", file.getvalue())


def curves(runs: Mapping[str, Mapping[str, Curve]]) -> Mapping[str, str]:
    """Return the learning curves of runs as SVG, a chart for each name."""
    names = dict.fromkeys(name for found in runs.values() for name in found)
    return {name: _curve(name, [found.get(name, []) for found in runs.values()]) for name in names}


@mpl.rc_context(_STYLE)
def _curve(name: str, runs: Sequence[Curve]) -> str:
    figure, axes = _chart(3.1, 2.1)
    for number, curve in enumerate(runs):
        if not curve:
            continue
        steps, values = _thinned(np.array(curve))
        many = len(values) >= 2 * SMOOTHED
        style = {"alpha": 0.3} if many else {"marker": "o", "ms": 3}
        axes.plot(steps, values, color=colour(number), lw=0.7, **style)
        if many:
            mean = np.convolve(values, np.ones(SMOOTHED) / SMOOTHED, mode="valid")
            half = SMOOTHED // 2
            axes.plot(steps[half : len(steps) - half], mean, color=colour(number), lw=1.6)
    axes.set_title(name)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_ylabel("weighted loss" if name.startswith("loss/") else name.rpartition("/")[2])
    return _svg(figure)


def _thinned(curve: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], ...]:
    parts = np.array_split(curve, min(len(curve), MOST_POINTS))
    steps, values = np.array([part.mean(axis=0) for part in parts]).T
    return steps, values


def factors(runs: Mapping[str, Mapping[str, Values]], score: str) -> Mapping[str, str]:
    """Return the mean score by bin as SVG, a chart for each factor, a bar for each run."""
    return {
        factor.title: _factor(
            factor,
            [values.get(factor.name, {}) for values in runs.values()],
            "IoU of the thing" if factor.name == "size" else score,
        )
        for factor in FACTORS
    }


@mpl.rc_context(_STYLE)
def _factor(factor: Factor, runs: Sequence[Values], score: str) -> str:
    figure, axes = _chart(4.4, 2.4)
    axes.set_xlabel(factor.title)
    if any(runs):
        _draw_bars(axes, factor, runs)
        axes.set_ylabel(f"{score} (0 to 1)")
    else:
        axes.text(0.5, 0.5, "these scenes do not tell", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
    return _svg(figure)


def _draw_bars(axes: Axes, factor: Factor, runs: Sequence[Values]) -> None:
    width = 0.8 / len(runs)
    for number, values in enumerate(runs):
        for place, name in enumerate(factor.bins):
            if found := values.get(name):
                spread = np.std(found) / math.sqrt(len(found))
                x = place + (number - (len(runs) - 1) / 2) * width
                axes.bar(
                    x, np.mean(found), width, color=colour(number), yerr=spread, ecolor="0.3"
                )  # fmt: skip
    counts = [max(len(values.get(name, ())) for values in runs) for name in factor.bins]
    labels = [f"{name}\nn = {n}" for name, n in zip(factor.bins, counts, strict=True)]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylim(0, 1)
    axes.set_axisbelow(True)
    axes.grid(axis="y", alpha=0.3)


def confusion(runs: Mapping[str, Pairs]) -> Mapping[str, str]:
    """Return as SVG, for each run, how often things of a category (rows) were answered as another.

    All have the same rows and columns. Rare categories are together in one; a shade is a share of
    its row.
    """
    frequency: Counter[str] = Counter()
    for pairs in runs.values():
        for (true, answered), count in pairs.items():
            frequency.update({true: count, answered: count})
    for name in (NO_REGION, NOTHING_THERE):
        frequency.pop(name, None)
    common = sorted(name for name, _ in frequency.most_common(MOST_CATEGORIES))
    rest = [OTHERS] if len(frequency) > MOST_CATEGORIES else []
    rows, columns = [*common, *rest, NOTHING_THERE], [*common, *rest, NO_REGION]
    return {run: _confusion(pairs, rows, columns) for run, pairs in runs.items()}


@mpl.rc_context(_STYLE)
def _confusion(pairs: Pairs, rows: Sequence[str], columns: Sequence[str]) -> str:
    table = np.zeros((len(rows), len(columns)))
    for (true, answered), count in pairs.items():
        row = true if true in rows else OTHERS
        column = answered if answered in columns else OTHERS
        table[rows.index(row), columns.index(column)] += count
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = 1.5 + 0.26 * len(rows)
    figure, axes = _chart(side, side)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for y, x in np.argwhere(table):
        ink = "white" if share[y, x] > 0.5 else "black"
        axes.text(x, y, f"{table[y, x]:.0f}", ha="center", va="center", color=ink, size=7)
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    return _svg(figure)


@mpl.rc_context(_STYLE)
def routes(shares: npt.NDArray[np.float64], names: Sequence[str]) -> str:
    """Return the share `[i e]` of each expert in the choices of every caption layer, as SVG."""
    figure, axes = _chart(1.4 + 1.1 * len(names), 2.6)
    width = 0.8 / len(shares)
    shades = mpl.colormaps["viridis"](np.linspace(0.2, 0.8, len(shares)))
    for number, row in enumerate(shares):
        places = np.arange(len(names)) + (number - (len(shares) - 1) / 2) * width
        bars = axes.bar(places, row, width, color=shades[number], label=f"layer {number + 1}")
        axes.bar_label(bars, fmt="%.2f", size=6)
    axes.axhline(1 / len(names), color="0.4", ls="--", lw=0.8, label="even use")
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("level of the expert")
    axes.set_ylabel("share of choices (0 to 1)")
    axes.set_ylim(0, 1.1 / CHOSEN)
    figure.legend(loc="outside upper center", ncols=4, fontsize=7, frameon=False)
    return _svg(figure)


def _chart(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of this size in inches and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _svg(figure: Figure) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return _address("image/svg+xml", file.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
