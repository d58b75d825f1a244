"""The part of a picture that a tool looks at, at the size it works in.

Axes: h w pixels of the picture, s s those of the window, `SIZE` each way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.studio.tools.prompt import Box, Mask, Picture
from ssuformer.salience import SIZE

Share = NDArray[np.float32]
"""How surely each pixel belongs to the thing, 0..1."""

_SMALLEST = 32
"""Pixels of the picture that a window has at least each way."""


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of whole pixels, within the picture."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, picture: Picture) -> Picture:
        """Return the part of the picture, `[s s 3]`."""
        part = picture[self.top : self.bottom, self.left : self.right]
        shrinks = part.shape[0] > SIZE or part.shape[1] > SIZE
        way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(part, (SIZE, SIZE), interpolation=way), np.uint8)

    def cut_share(self, share: Share) -> Share:
        """Return the part of what is known of the whole picture `[h w]`, `[s s]`."""
        part = share[self.top : self.bottom, self.left : self.right]
        return np.asarray(cv2.resize(part, (SIZE, SIZE), interpolation=cv2.INTER_AREA), np.float32)

    def put(self, share: Share, *, height: int, width: int) -> Mask:
        """Return the mask `[h w]` of what is more sure than not in the window."""
        size = (self.right - self.left, self.bottom - self.top)
        mask = np.zeros((height, width), bool)
        part = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
        mask[self.top : self.bottom, self.left : self.right] = np.asarray(part) > 0.5
        return mask

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point of the picture is in the window, in its pixels."""
        return (
            (x - self.left) * SIZE / (self.right - self.left),
            (y - self.top) * SIZE / (self.bottom - self.top),
        )

    @property
    def scale(self) -> float:
        """Pixels of the window for one of the picture, on average."""
        return SIZE / float(np.sqrt((self.right - self.left) * (self.bottom - self.top)))


def window_round(box: Box, picture: Picture, *, margin: float) -> Window:
    """Return the window round a box, with a share of its sides as margin on each side."""
    height, width = picture.shape[:2]
    left, top, wide, high = box
    more_x = max(margin * wide, (_SMALLEST - wide) / 2)
    more_y = max(margin * high, (_SMALLEST - high) / 2)
    return Window(
        left=max(0, int(left - more_x)),
        top=max(0, int(top - more_y)),
        right=min(width, int(np.ceil(left + wide + more_x))),
        bottom=min(height, int(np.ceil(top + high + more_y))),
    )


def box_round(points: Iterable[tuple[float, float]]) -> Box:
    """Return the box round points."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)


def united(first: Box, second: Box) -> Box:
    """Return the box round two boxes."""
    left, top = min(first[0], second[0]), min(first[1], second[1])
    right = max(first[0] + first[2], second[0] + second[2])
    bottom = max(first[1] + first[3], second[1] + second[3])
    return left, top, right - left, bottom - top
