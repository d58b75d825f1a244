"""What a person shows on a picture, and what makes a mask of it.

Axes: h w pixels. Points and boxes are in pixels of the picture, from its upper left corner.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ssuformer.errors import OptionError

Picture = NDArray[np.uint8]
"""`[h w 3]`, red, green, blue."""
Mask = NDArray[np.bool_]
"""`[h w]`."""
Point = tuple[float, float, bool]
"""x, y, and whether it lies inside the thing."""
Box = tuple[float, float, float, float]
"""x, y, width, height."""

MOST_POINTS = 1000


@dataclass(frozen=True, slots=True)
class Prompt:
    """Points inside and outside, a box round the thing, a stroke over it, and the mask so far."""

    points: tuple[Point, ...] = ()
    box: Box | None = None
    stroke: tuple[tuple[float, float], ...] | None = None
    previous: Mask | None = None

    def inside(self) -> tuple[tuple[float, float], ...]:
        """Return the points inside the thing, those of the stroke among them."""
        return (*((x, y) for x, y, inside in self.points if inside), *(self.stroke or ()))

    def outside(self) -> tuple[tuple[float, float], ...]:
        """Return the points outside the thing."""
        return tuple((x, y) for x, y, inside in self.points if not inside)

    def check(self, picture: Picture) -> None:
        """Raise OptionError unless the prompt shows something on this picture."""
        height, width = picture.shape[:2]
        if not (self.inside() or self.box or self._has_previous()):
            raise OptionError("show the thing by a point inside it, a box, a stroke or a mask")
        if len(self.points) + len(self.stroke or ()) > MOST_POINTS:
            raise OptionError(f"a prompt has at most {MOST_POINTS} points", limit=MOST_POINTS)
        if self.previous is not None and self.previous.shape != (height, width):
            raise OptionError(
                f"the mask so far has {self.previous.shape[1]}x{self.previous.shape[0]} pixels, "
                f"the picture {width}x{height}"
            )
        _check_points((*self.inside(), *self.outside()), width=width, height=height)
        if self.box is not None:
            _check_box(self.box, width=width, height=height)

    def _has_previous(self) -> bool:
        return self.previous is not None and bool(self.previous.any())


class MaskTool(Protocol):
    """Makes a mask of what a person shows."""

    name: str

    def mask(self, picture: Picture, prompt: Prompt) -> Mask:
        """Return the mask `[h w]`; OptionError if the prompt does not fit the picture."""
        ...


def box_of(mask: Mask) -> Box | None:
    """Return the box round a mask, or None if it is empty."""
    if not mask.any():
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top


def box_iou(first: Box | None, second: Box) -> float:
    """Return the IoU of two boxes; 0 with none."""
    if first is None:
        return 0.0
    wide = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    high = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    both = max(0.0, wide) * max(0.0, high)
    return both / (first[2] * first[3] + second[2] * second[3] - both)


def _check_points(points: Iterable[tuple[float, float]], *, width: int, height: int) -> None:
    for x, y in points:
        if not (0 <= x <= width and 0 <= y <= height):
            raise OptionError(f"the point {x:g}, {y:g} is not on the picture, {width}x{height}")


def _check_box(box: Box, *, width: int, height: int) -> None:
    left, top, wide, high = box
    if not (wide >= 1 and high >= 1 and np.isfinite(box).all()):
        raise OptionError("a box is x, y, width, height, of at least a pixel each way")
    if min(left + wide, width) - max(left, 0) < 1 or min(top + high, height) - max(top, 0) < 1:
        raise OptionError(f"the box is not on the picture, {width}x{height}")
