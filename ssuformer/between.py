"""The shapes between two masks of one thing, as it moves and changes from one to the other.

Signed distances to both outlines are blended where the centres of the masks come to lie on each
other, and the outline of the blend is the shape between. Axes: h w pixels, or cells of a coarse
grid, on which distances are computed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ssuformer.masks import Mask, bounding_box

_CELLS = 96
"""Cells along the longer side of the grid; the masks of the engines have no finer detail."""
_NEAR = 0.15
"""As a share of the frame's width: masks that neither touch nor have closer centres are of two
places, and nothing is between them."""

Field = NDArray[np.float32]
Point = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Box:
    """Rows and columns around a centre, in pixels from it; the end is not included."""

    top: int
    left: int
    bottom: int
    right: int

    def joined(self, other: _Box) -> _Box:
        return _Box(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def grown(self, by: int) -> _Box:
        return _Box(self.top - by, self.left - by, self.bottom + by, self.right + by)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left


class Between:
    """The shapes between two masks of one size that are not empty."""

    def __init__(self, one: Mask, other: Mask) -> None:
        self._ends = one, other
        self._centres = _centre(one), _centre(other)
        boxes = [_box(mask, at) for mask, at in zip(self._ends, self._centres, strict=True)]
        box = boxes[0].joined(boxes[1])
        self._cell = -(-max(box.size) // _CELLS)
        self._box = box.grown(2 * self._cell)
        self._fields = [
            _field(_cut(mask, self._box, at), self._cell)
            for mask, at in zip(self._ends, self._centres, strict=True)
        ]

    @classmethod
    def of(cls, one: Mask, other: Mask) -> Between | None:
        """Return the shapes between two masks; None if the masks are of two places, or empty."""
        if not one.any() or not other.any():
            return None
        if not (one & other).any():
            apart = float(np.hypot(*(_centre(one) - _centre(other))))
            if apart >= _NEAR * one.shape[1]:
                return None
        return cls(one, other)

    def at(self, share: float) -> Mask:
        """Return the shape at a share of the way, 0 to 1; near the ends, it is like the end."""
        blend = (1 - share) * self._fields[0] + share * self._fields[1]
        shape = _enlarge(blend, self._cell, self._box.size) > 0
        centre = np.round((1 - share) * self._centres[0] + share * self._centres[1]).astype(int)
        mask = _placed(shape, self._box, centre, self._ends[0].shape)
        return mask if mask.any() else self._ends[int(share > 0.5)]


def _centre(mask: Mask) -> Point:
    rows, columns = mask.sum(1), mask.sum(0)
    total = rows.sum()
    return np.round(
        [rows @ np.arange(len(rows)) / total, columns @ np.arange(len(columns)) / total]
    )


def _box(mask: Mask, centre: Point) -> _Box:
    x, y, width, height = bounding_box(mask)
    row, column = centre.astype(int).tolist()
    return _Box(y - row, x - column, y + height - row, x + width - column)


def _cut(mask: Mask, box: _Box, centre: Point) -> Mask:
    """Return what of a mask lies in a box around a centre, and nothing beyond the frame."""
    cut = np.zeros(box.size, bool)
    there, here = _overlap(box, centre.astype(int), mask.shape)
    cut[here] = mask[there]
    return cut


def _placed(shape: Mask, box: _Box, centre: NDArray[np.int_], size: tuple[int, ...]) -> Mask:
    mask = np.zeros(size, bool)
    there, here = _overlap(box, centre, size)
    mask[there] = shape[here]
    return mask


def _overlap(
    box: _Box, centre: NDArray[np.int_], size: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where a box around a centre lies in a frame, and where the frame lies in the box."""
    starts = centre + np.array((box.top, box.left))
    ends = np.minimum(centre + np.array((box.bottom, box.right)), size)
    first = np.maximum(starts, 0)
    there = tuple(slice(int(a), int(b)) for a, b in zip(first, ends, strict=True))
    here = tuple(slice(int(a - s), int(b - s)) for a, b, s in zip(first, ends, starts, strict=True))
    return there, here


def _field(mask: Mask, cell: int) -> Field:
    """Return the signed distance of each cell to the outline, in cells; positive inside."""
    height, width = (-(-side // cell) for side in mask.shape)
    padded = np.zeros((height * cell, width * cell), np.float32)
    padded[: mask.shape[0], : mask.shape[1]] = mask
    covered = padded.reshape(height, cell, width, cell).mean((1, 3))
    inside = covered > 0.5
    field = np.where(inside, _distance(~inside) - 0.5, 0.5 - _distance(inside))
    border = (covered > 0) & (covered < 1)
    field[border] = covered[border] - 0.5  # the outline runs through these cells
    return field.astype(np.float32)


def _distance(goal: Mask) -> Field:
    """Return the distance of each cell to the nearest cell of a goal."""
    height, width = goal.shape
    far = float(height + width)
    rows = np.arange(height, dtype=np.float32)[:, None]
    above = np.maximum.accumulate(np.where(goal, rows, -far), axis=0)
    below = np.minimum.accumulate(np.where(goal, rows, height + far)[::-1], axis=0)[::-1]
    straight = np.minimum(rows - above, below - rows) ** 2
    nearest = straight.copy()
    for aside in range(1, width):
        step = float(aside * aside)
        np.minimum(nearest[:, aside:], straight[:, :-aside] + step, out=nearest[:, aside:])
        np.minimum(nearest[:, :-aside], straight[:, aside:] + step, out=nearest[:, :-aside])
    return np.sqrt(nearest)


def _enlarge(field: Field, cell: int, size: tuple[int, int]) -> Field:
    """Return a field on the pixels below its cells, of which there are `size`."""
    height, width = size
    box = (0, 0, width / cell, height / cell)
    picture = Image.fromarray(field)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR, box=box))
