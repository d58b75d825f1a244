"""The outline of a mask as polygons that enclose exactly its pixels, holes included."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from ssuformer.run_lengths import Mask

Point = tuple[int, int]
"""A corner between pixels: x from the left, y from the top."""

Edge = tuple[Point, Point]
"""One pixel's side: its start and the step along it."""

_TURNS = {(1, 0): (0, 1), (0, 1): (-1, 0), (-1, 0): (0, -1), (0, -1): (1, 0)}
"""The direction after a turn to the right, y pointing down."""


def outlines(mask: Mask) -> list[list[int]]:
    """Return closed rings `[x0, y0, x1, y1, ...]` along pixel edges, to be filled even-odd.

    Outer rings run clockwise as seen on a screen, rings of holes the other way. Pixels that touch
    only at a corner belong to different rings.
    """
    edges = _edges(mask)
    left = dict.fromkeys((point, step) for point, steps in edges.items() for step in steps)
    rings = []
    while left:
        ring: list[int] = []
        edge = first = next(iter(left))
        while True:
            del left[edge]
            following = _next_edge(edges, edge)
            if following[1] != edge[1]:
                ring += following[0]
            edge = following
            if edge == first:
                break
        rings.append(ring)
    return rings


def fill(rings: Iterable[Sequence[int]], size: tuple[int, int]) -> Mask:
    """Return the mask of `size` (height, width) from the rings of `outlines`.

    Even-odd along pixel edges: a pixel is inside after an odd number of vertical sides.
    """
    height, width = size
    sides = np.zeros((height, width + 1), np.int32)
    for ring in rings:
        corners = np.array(ring).reshape(-1, 2)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if x0 == x1:
                sides[min(y0, y1) : max(y0, y1), x0] += 1
    inside: Mask = sides.cumsum(axis=1)[:, :width] % 2 == 1
    return inside


def _next_edge(edges: dict[Point, list[Point]], edge: Edge) -> Edge:
    """Return the next edge, turning right where there is a choice."""
    (x, y), step = edge
    corner = (x + step[0], y + step[1])
    right = _TURNS[step]
    return corner, right if right in edges[corner] else edges[corner][0]


def _edges(mask: Mask) -> dict[Point, list[Point]]:
    """Return, for each corner, the outgoing steps with the mask on the right."""
    padded = np.pad(mask, 1).astype(np.int8)
    down, across = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    edges: defaultdict[Point, list[Point]] = defaultdict(list)
    sides = (
        (down == 1, (0, 0), (1, 0)),
        (down == -1, (1, 0), (-1, 0)),
        (across == -1, (0, 0), (0, 1)),
        (across == 1, (0, 1), (0, -1)),
    )
    for where, (dx, dy), step in sides:
        for y, x in np.argwhere(where).tolist():
            edges[x + dx, y + dy].append(step)
    return dict(edges)
