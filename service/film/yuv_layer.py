"""A layer prepared for blending over many frames of a film, in YUV.

A frame is YUV 4:2:0 as PyAV's `to_ndarray` gives it: [h * 3 / 2, w], luma on top, chroma below.
Blending there saves two conversions per frame and leaves the colours of the film untouched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.film.drawing import Layer, Opacity
from ssuformer.media.orientation import Orientation

Plane = NDArray[np.uint8]
_Weights = NDArray[np.uint16]

_BT601 = (0.299, 0.587, 0.114)
_BT709 = (0.2126, 0.7152, 0.0722)
_WHOLE = 256


@dataclass(frozen=True, slots=True)
class _Piece:
    """A rectangle of one plane: the factor for the film, and the values to add."""

    rows: slice
    columns: slice
    left: _Weights
    added: _Weights


class Stencil:
    """Blends one layer in place over frames of its size, whose sides are even."""

    def __init__(self, layer: Layer, *, high_definition: bool) -> None:
        """Convert the layer's colours to YUV for a film of standard or high definition."""
        drawn = _drawn(layer.opacity)
        colour, opacity = layer.colour[drawn], layer.opacity[drawn]
        luma, *chroma = _planes(colour, opacity, _BT709 if high_definition else _BT601)
        corner = drawn[0].start, drawn[1].start
        self._pieces = (
            _pieces(luma, opacity, corner),
            *(
                _pieces(_halve(plane), _halve(opacity), (corner[0] // 2, corner[1] // 2))
                for plane in chroma
            ),
        )

    def stamp(self, planes: tuple[Plane, Plane, Plane]) -> None:
        """Blend the layer over the three planes of a frame."""
        for plane, pieces in zip(planes, self._pieces, strict=True):
            for piece in pieces:
                there = plane[piece.rows, piece.columns]
                there[...] = (there * piece.left + piece.added) >> 8


def split(frame: Plane) -> tuple[Plane, Plane, Plane]:
    """Return views of the three planes of a frame [h * 3 / 2, w]."""
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    quarter = height // 2, width // 2
    blue, red = frame[height:].reshape(2, *quarter)
    return frame[:height], blue, red


def turn(frame: Plane, orientation: Orientation) -> Plane:
    """Return a stored frame as it is displayed."""
    if orientation.upright:
        return frame
    turned = [orientation.apply(plane) for plane in split(frame)]
    return np.concatenate([plane.ravel() for plane in turned]).reshape(-1, turned[0].shape[1])


def _drawn(opacity: Opacity) -> tuple[slice, slice]:
    """Return the rows and columns that contain all of a drawing, from even to even ones."""
    rows, columns = np.flatnonzero(opacity.any(1)), np.flatnonzero(opacity.any(0))
    if rows.size == 0:
        return slice(0, 0), slice(0, 0)
    return _even(rows), _even(columns)


def _even(places: NDArray[np.intp]) -> slice:
    return slice(int(places[0]) // 2 * 2, int(places[-1]) // 2 * 2 + 2)


def _planes(
    colour: NDArray[np.float32], opacity: Opacity, weights: tuple[float, float, float]
) -> list[Opacity]:
    """Return luma, blue and red difference, each times opacity, in limited range."""
    red, _, blue = weights
    luma = colour @ np.array(weights, np.float32)
    to_blue = (colour[..., 2] - luma) / (1 - blue)
    to_red = (colour[..., 0] - luma) / (1 - red)
    return [
        16 * opacity + luma * (219 / 255),
        128 * opacity + to_blue * (112 / 255),
        128 * opacity + to_red * (112 / 255),
    ]


def _halve(plane: Opacity) -> Opacity:
    height, width = plane.shape
    halved: Opacity = plane.reshape(height // 2, 2, width // 2, 2).mean((1, 3), dtype=np.float32)
    return halved


def _pieces(colour: Opacity, opacity: Opacity, corner: tuple[int, int]) -> tuple[_Piece, ...]:
    """Cut a part of a plane, which begins at a corner, into bands of rows that contain drawing."""
    drawn = opacity > 0
    edges = np.flatnonzero(np.diff(drawn.any(1).astype(np.int8), prepend=0, append=0))
    pieces = []
    for top, bottom in edges.reshape(-1, 2).tolist():
        columns = np.flatnonzero(drawn[top:bottom].any(0))
        left, right = int(columns[0]), int(columns[-1]) + 1
        part = slice(top, bottom), slice(left, right)
        covered = np.round(_WHOLE * opacity[part]).astype(np.uint16)
        added = np.round(_WHOLE * colour[part]).astype(np.uint16)
        rows = slice(corner[0] + top, corner[0] + bottom)
        place = slice(corner[1] + left, corner[1] + right)
        pieces.append(_Piece(rows, place, left=_WHOLE - covered, added=added))
    return tuple(pieces)
