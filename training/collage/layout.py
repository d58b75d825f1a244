"""Where things stand: on a ground that recedes, or in a loose grid; in pixels of the film."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.collage.picture import HEIGHT, WIDTH, Point

LARGEST_AREA, SMALLEST_AREA = 0.3, 0.015
"""Shares of the film that the box of a thing covers."""


@dataclass(frozen=True, slots=True)
class Spot:
    """The height of a thing, and the way of the middle of its lower edge."""

    height: float
    start: Point
    end: Point
    shadow: float
    depth: float
    """Things with a larger one are in front of the others."""


def places(rng: np.random.Generator, sizes: Sequence[tuple[int, int]]) -> list[Spot]:
    """Return a spot for every cut-out of these widths and heights."""
    if rng.random() < 0.65:
        return _on_ground(rng, sizes)
    return _in_grid(rng, sizes)


def _on_ground(rng: np.random.Generator, sizes: Sequence[tuple[int, int]]) -> list[Spot]:
    """Return things side by side on a ground: those nearer to its far edge are smaller."""
    horizon = float(rng.uniform(0.35, 0.55)) * HEIGHT
    slot = WIDTH / len(sizes)
    spots = []
    for column, size in zip(rng.permutation(len(sizes)), sizes, strict=True):
        foot = float(rng.uniform(horizon + 0.25 * (HEIGHT - horizon), 0.97 * HEIGHT))
        nearness = (foot - horizon) / (HEIGHT - horizon)
        height = _height(
            nearness * float(rng.uniform(0.45, 1.0)) * HEIGHT, size, (1.35 * slot, foot)
        )
        x = (float(column) + 0.5 + float(rng.uniform(-0.15, 0.15))) * slot
        width = height * size[0] / size[1]
        start, end = _way(rng, (x, foot), width)
        spots.append(Spot(height, start, end, float(rng.uniform(0.3, 0.65)), foot))
    return spots


def _in_grid(rng: np.random.Generator, sizes: Sequence[tuple[int, int]]) -> list[Spot]:
    """Return things in cells of a grid of two rows, each off the middle of its cell."""
    columns = int(rng.integers(2, 4))
    cell_width, cell_height = WIDTH / columns, HEIGHT / 2
    cells = rng.choice(2 * columns, len(sizes), replace=False)
    spots = []
    for cell, size in zip(cells, sizes, strict=True):
        row, column = divmod(int(cell), columns)
        room = (1.05 * cell_width, 1.05 * cell_height)
        height = _height(float(rng.uniform(0.6, 1.0)) * cell_height, size, room)
        width = height * size[0] / size[1]
        x = (column + 0.5) * cell_width + float(rng.uniform(-0.2, 0.2)) * cell_width
        y = (row + 0.5) * cell_height + height / 2 + float(rng.uniform(-0.1, 0.1)) * cell_height
        start, end = _way(rng, (x, y), width)
        spots.append(Spot(height, start, end, 0.0, float(rng.random())))
    return spots


def _height(wanted: float, size: tuple[int, int], room: tuple[float, float]) -> float:
    """Return the height nearest to a wanted one that fits into the room and is well visible."""
    ratio = size[0] / size[1]
    least, most = (math.sqrt(s * WIDTH * HEIGHT / ratio) for s in (SMALLEST_AREA, LARGEST_AREA))
    return min(max(wanted, least), most, room[1], room[0] / ratio)


def _way(rng: np.random.Generator, foot: Point, width: float) -> tuple[Point, Point]:
    """Return the start and end of a slow slide through `foot`; half of the things stand still."""
    x = min(max(foot[0], 0.4 * width), WIDTH - 0.4 * width)
    if rng.random() < 0.5:
        return (x, foot[1]), (x, foot[1])
    slide = float(rng.uniform(-0.22, 0.22)) * WIDTH
    sink = float(rng.uniform(-0.03, 0.03)) * HEIGHT
    near, far = 0.4 * width, WIDTH - 0.4 * width
    ends = [min(max(x + part * slide, near), far) for part in (-0.5, 0.5)]
    return (ends[0], foot[1] - sink / 2), (ends[1], foot[1] + sink / 2)
