"""Visible attributes of an object: size, colour, position, direction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.scenes.grammar import WHERES, Colour, Direction, Size, Where

Channel = npt.NDArray[np.floating]

SMALL, LARGE = 0.035, 0.085
"""Shares of the frame below and above which an object is called small and large."""

CONFIDENT = 0.5
"""Least share of a cut-out that a colour has to cover to be named."""

MOVING = 0.05
"""Least distance per second, relative to the frame, that is called moving."""

_HUES: tuple[tuple[float, Colour], ...] = (
    (15, "red"),
    (42, "orange"),
    (64, "yellow"),
    (165, "green"),
    (260, "blue"),
    (300, "purple"),
    (342, "pink"),
    (361, "red"),
)


def size_of(mask: npt.NDArray[np.bool_]) -> Size | None:
    """Return whether the visible part of an object is small or large, or neither."""
    share = np.count_nonzero(mask) / mask.size
    return "small" if share < SMALL else "large" if share > LARGE else None


def place_of(mask: npt.NDArray[np.bool_]) -> Where:
    """Return in which ninth of the frame the centre of the visible part lies."""
    by_row, by_column = mask.sum(axis=1), mask.sum(axis=0)
    return WHERES[3 * _third(_centre(by_row)) + _third(_centre(by_column))]


def _centre(weights: npt.NDArray[np.int64]) -> float:
    """Return the centre of mass of a profile, 0..1; the middle if it is empty."""
    places = (np.arange(len(weights)) + 0.5) / len(weights)
    return float(weights @ places / weights.sum()) if weights.any() else 0.5


def _third(position: float) -> int:
    return 0 if position < 0.4 else 1 if position <= 0.6 else 2


def direction_of(
    start: tuple[float, float], end: tuple[float, float], seconds: float
) -> Direction | None:
    """Return the direction of a path (x, y; relative to the frame), if it moves visibly."""
    x, y = (end[0] - start[0]) / seconds, (end[1] - start[1]) / seconds
    if max(abs(x), abs(y)) < MOVING:
        return None
    if abs(x) >= abs(y):
        return "right" if x > 0 else "left"
    return "down" if y > 0 else "up"


def colour_of(sprite: Image.Image) -> Colour | None:
    """Return the colour of most of an RGBA cut-out, if one colour covers most of it."""
    small = sprite.resize((24, 24), Image.Resampling.NEAREST)
    shown = np.asarray(small)[..., 3] > 127
    if not shown.any():
        return None
    hsv = np.asarray(small.convert("RGB").convert("HSV"), np.float32)[shown]
    names = _name(hsv[:, 0] * (360 / 255), hsv[:, 1] / 255, hsv[:, 2] / 255)
    counts = np.bincount(names, minlength=len(_COLOURS))
    most = int(counts.argmax())
    return _COLOURS[most] if counts[most] >= CONFIDENT * len(names) else None


_COLOURS: tuple[Colour, ...] = (*(colour for _, colour in _HUES), "black", "grey", "white", "brown")


def _name(hue: Channel, saturation: Channel, value: Channel) -> npt.NDArray[np.int64]:
    """Return, pixel by pixel, the position of its colour in `_COLOURS`."""
    by_hue = np.digitize(hue, [limit for limit, _ in _HUES[:-1]])
    by_hue[by_hue == len(_HUES) - 1] = 0
    earthy = (by_hue <= 1) | ((by_hue == 2) & (value < 0.5))
    brown = earthy & ((value < 0.62) & ((by_hue > 0) | (saturation < 0.6)))
    names = np.where(brown, _COLOURS.index("brown"), by_hue)
    bluish = _COLOURS.index("blue") == by_hue  # grey objects are often slightly blue
    pale = saturation < np.where(bluish, 0.3, np.where(value > 0.5, 0.18, 0.25))
    greys = np.digitize(value, [0.3, 0.78])
    names = np.where(pale, _COLOURS.index("black") + greys, names)
    black = value < 0.2
    return np.where(black, _COLOURS.index("black"), names).astype(np.int64)
