"""How a stored picture is turned and mirrored before it is shown: the display matrix of a film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar, cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Pixels = TypeVar("Pixels", bound=NDArray[np.generic])

_MATRIX_BYTES = 36


@dataclass(frozen=True, slots=True)
class Orientation:
    """Quarter turns counter-clockwise, then perhaps a reflection from left to right."""

    quarters: int = 0
    mirrored: bool = False

    @property
    def upright(self) -> bool:
        """Whether the picture is shown as it is stored."""
        return self == Orientation()

    def displayed(self, width: int, height: int) -> tuple[int, int]:
        """Return the displayed width and height of a picture stored at this size."""
        return (height, width) if self.quarters % 2 else (width, height)

    def apply(self, picture: Pixels) -> Pixels:
        """Return a stored picture, [h w] or [h w c], as it is displayed."""
        turned = np.rot90(picture, self.quarters)
        return turned[:, ::-1] if self.mirrored else turned


def orientation_of(frame: VideoFrame) -> Orientation:
    """Return the orientation that a decoded frame asks for, to the nearest quarter turn."""
    stated = cast(SideDataContainer, frame.side_data)
    matrix = bytes(stated[Type.DISPLAYMATRIX]) if Type.DISPLAYMATRIX in stated else b""
    if len(matrix) != _MATRIX_BYTES:
        return Orientation()
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32).tolist()
    return from_matrix(a, b, c, d)


def from_matrix(a: int, b: int, c: int, d: int) -> Orientation:
    """Return the orientation of a matrix that shows the pixel (x, y) at (ax + cy, bx + dy).

    A matrix without an inverse, such as all zeros, turns nothing.
    """
    determinant = a * d - b * c
    if determinant == 0:
        return Orientation()
    if determinant < 0:
        a, c = -a, -c
    return Orientation(round(math.atan2(c - b, a + d) / (math.pi / 2)) % 4, determinant < 0)
