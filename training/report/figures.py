"""The page's charts, drawn by matplotlib, each as an address that holds the whole picture.

Axes: t frames, q queries, h w pixels, y x cells, i caption layers, e experts.
"""

from __future__ import annotations

import base64
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ssuformer.model.experts import CHOSEN
from training.report.curves import Curve
from training.report.findings import FACTORS, NO_REGION, NOTHING_THERE, Factor, Values

MOST_CATEGORIES = 14
OTHERS = "others"
SMOOTHED = 9
"""Points in the running mean of a learning curve."""

_WIDTH = 10.0


def picture(pixels: npt.NDArray[np.uint8]) -> str:
    """Return pixels `[h w 3]` as a JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=88)
    return _address("image/jpeg", file.getvalue())


def curves(runs: Mapping[str, Mapping[str, Curve]]) -> str:
    """Return the learning curves of runs, a panel for each name, as SVG."""
    names = list(dict.fromkeys(name for found in runs.values() for name in found))
    figure, panels = _panels(len(names), columns=4, height=1.9)
    for axes, name in zip(panels, names, strict=True):
        for number, found in enumerate(runs.values()):
            steps, values = np.array(found.get(name, [(0, np.nan)])).T
            many = len(values) >= 2 * SMOOTHED
            axes.plot(
                steps, values, f"C{number}", lw=0.7, alpha=0.3 if many else 1, marker=".", ms=2
            )
            if many:
                mean = np.convolve(values, np.ones(SMOOTHED) / SMOOTHED, mode="valid")
                half = SMOOTHED // 2
                axes.plot(steps[half : len(steps) - half], mean, f"C{number}", lw=1.6)
        axes.set_title(name, size=9)
        axes.set_xlabel("step", size=8)
    _legend(figure, list(runs))
    return _svg(figure)


def factors(runs: Mapping[str, Mapping[str, Values]], score: str) -> str:
    """Return the mean score by bin of every factor, a bar for each run, as SVG."""
    figure, panels = _panels(len(FACTORS), columns=2, height=2.4)
    for axes, factor in zip(panels, FACTORS, strict=True):
        _draw_factor(axes, factor, [values.get(factor.name, {}) for values in runs.values()])
        axes.set_ylabel("IoU of the thing" if factor.name == "size" else score, size=8)
    _legend(figure, list(runs))
    return _svg(figure)


def _draw_factor(axes: Axes, factor: Factor, runs: Sequence[Values]) -> None:
    axes.set_title(factor.title, size=9)
    if not any(runs):
        axes.text(0.5, 0.5, "these scenes do not tell", ha="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    width = 0.8 / len(runs)
    for number, values in enumerate(runs):
        for place, name in enumerate(factor.bins):
            if found := values.get(name):
                spread = np.std(found) / math.sqrt(len(found))
                x = place + (number - (len(runs) - 1) / 2) * width
                axes.bar(x, np.mean(found), width, color=f"C{number}", yerr=spread, ecolor="0.3")
    counts = [max(len(values.get(name, ())) for values in runs) for name in factor.bins]
    labels = [f"{name}\nn = {n}" for name, n in zip(factor.bins, counts, strict=True)]
    axes.set_xticks(range(len(labels)), labels)
    axes.set_xlim(-0.6, len(labels) - 0.4)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", alpha=0.3)


def confusion(pairs: Counter[tuple[str, str]]) -> str:
    """Return how often things of a category (rows) were answered as another, as SVG.

    Rare categories are together in one; a shade is a share of its row.
    """
    frequency: Counter[str] = Counter()
    for (true, told), count in pairs.items():
        frequency.update({true: count, told: count})
    for name in (NO_REGION, NOTHING_THERE):
        frequency.pop(name, None)
    common = sorted(name for name, _ in frequency.most_common(MOST_CATEGORIES))
    rest = [OTHERS] if len(frequency) > MOST_CATEGORIES else []
    rows, columns = [*common, *rest, NOTHING_THERE], [*common, *rest, NO_REGION]
    table = np.zeros((len(rows), len(columns)))
    for (true, told), count in pairs.items():
        row = true if true in rows else OTHERS
        column = told if told in columns else OTHERS
        table[rows.index(row), columns.index(column)] += count
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    side = 2.2 + 0.36 * len(rows)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for y, x in np.argwhere(table):
        colour = "white" if share[y, x] > 0.5 else "black"
        axes.text(x, y, f"{table[y, x]:.0f}", ha="center", va="center", color=colour, size=7)
    axes.set_xticks(range(len(columns)), columns, rotation=90)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel("answered")
    axes.set_ylabel("true")
    return _svg(figure)


def routes(shares: npt.NDArray[np.float64], names: Sequence[str]) -> str:
    """Return the share `[i e]` of each expert in the choices of every caption layer, as SVG."""
    figure = Figure(figsize=(1.6 + 1.5 * len(names), 2.6), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(shares)
    shades = mpl.colormaps["viridis"](np.linspace(0.2, 0.8, len(shares)))
    for number, row in enumerate(shares):
        places = np.arange(len(names)) + (number - (len(shares) - 1) / 2) * width
        bars = axes.bar(places, row, width, color=shades[number], label=f"layer {number + 1}")
        axes.bar_label(bars, fmt="%.2f", size=7)
    axes.axhline(1 / len(names), color="0.4", ls="--", lw=0.8, label="even use")
    axes.set_xticks(range(len(names)), names)
    axes.set_ylabel("share of choices", size=8)
    axes.set_ylim(0, 1.1 / CHOSEN)
    axes.legend(fontsize=7, ncols=2, loc="upper right", bbox_to_anchor=(1, 1.35))
    return _svg(figure)


def attention(
    frames: npt.NDArray[np.uint8], maps: npt.NDArray[np.float32], titles: Sequence[str]
) -> str:
    """Return the maps `[t q y x]` of some queries over their frames `[t h w 3]`, as PNG.

    A row is a query; what it takes most of in a frame is brightest.
    """
    t, q = maps.shape[:2]
    h, w = frames.shape[1:3]
    figure = Figure(figsize=(1.5 * t, 1.6 * q * h / w + 0.2), layout="constrained")
    for row, panels in enumerate(figure.subplots(q, t, squeeze=False)):
        for frame, axes in enumerate(panels):
            axes.imshow(frames[frame].mean(axis=-1), cmap="gray", extent=(0, w, h, 0))
            axes.imshow(
                maps[frame, row], cmap="inferno", alpha=0.6, vmin=0, extent=(0, w, h, 0),
                interpolation="bilinear",
            )  # fmt: skip
            axes.set_axis_off()
        panels[0].set_title(titles[row], size=8, loc="left")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return _address("image/png", file.getvalue())


def _panels(count: int, *, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels, and these."""
    rows = max(math.ceil(count / columns), 1)
    figure = Figure(figsize=(_WIDTH, height * rows + 0.4), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.tick_params(labelsize=7)
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def _legend(figure: Figure, names: Sequence[str]) -> None:
    marks = [mpl.lines.Line2D([], [], color=f"C{number}", lw=4) for number in range(len(names))]
    figure.legend(marks, names, loc="outside upper left", ncols=4, fontsize=8, frameon=False)


def _svg(figure: Figure) -> str:
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "report"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return _address("image/svg+xml", file.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
