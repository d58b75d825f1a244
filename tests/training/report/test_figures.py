"""Charts: what is drawn of long curves, and how categories are put together."""

from __future__ import annotations

import base64
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.report import figures
from training.report.findings import NO_REGION, NOTHING_THERE


def svg(address: str) -> str:
    head, _, content = address.partition(",")
    assert head == "data:image/svg+xml;base64"
    return base64.b64decode(content).decode()


def test_a_hundred_times_longer_curve_makes_no_larger_picture() -> None:
    noise = np.random.default_rng(0).random(100_000)
    short, long = (
        figures.curves({"run": {"loss/total": list(enumerate(noise[:n]))}})["loss/total"]
        for n in (1_000, 100_000)
    )

    assert len(long) < 1.2 * len(short)


def test_axes_are_named_with_what_they_measure() -> None:
    curves = figures.curves({"run": {"loss/mask": [(1, 0.5)], "val/j": [(1, 0.5)]}})
    factors = figures.factors({"run": {"snr": {"under 5": [0.1, 0.2]}}}, "J")

    assert all(">step<" in svg(chart) for chart in curves.values())
    assert ">weighted loss<" in svg(curves["loss/mask"])
    assert any("dB<" in svg(chart) and ">J (0 to 1)<" in svg(chart) for chart in factors.values())
    assert sum("these scenes do not tell" in svg(chart) for chart in factors.values()) == 4


def test_confusions_of_runs_have_the_same_categories_and_rare_ones_are_together() -> None:
    many = Counter({(f"kind {n}", f"kind {n}"): 100 - n for n in range(20)})
    few = Counter({("kind 3", NO_REGION): 2, (NOTHING_THERE, "kind 19"): 1})

    one, other = (svg(chart) for chart in figures.confusion({"a": many, "b": few}).values())

    for chart in (one, other):
        assert {f">kind {n}<" in chart for n in range(figures.MOST_CATEGORIES)} == {True}
        assert ">kind 19<" not in chart
        assert ">others<" in chart
    assert f">{sum(100 - n for n in range(14, 20))}<" in one


@pytest.mark.parametrize("size", [(2, 3), (1, 1)])
def test_where_a_query_looks_most_is_brightest(size: tuple[int, int], tmp_path: Path) -> None:
    cells = np.zeros(size, np.float32)
    cells[-1, 0] = 0.01

    content = base64.b64decode(figures.heat(cells).partition(",")[2])

    (tmp_path / "heat.png").write_bytes(content)
    pixels = np.asarray(Image.open(tmp_path / "heat.png").convert("RGB")).sum(axis=2)
    assert pixels.shape == size
    assert np.unravel_index(pixels.argmax(), size) == (size[0] - 1, 0)
