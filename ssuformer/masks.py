"""Masks: enlarge probability maps to pixels, and encode masks.

A mask is bool [h w]. COCO's compressed run-lengths are the usual form; the others are for programs
without a decoder for them.
"""

from __future__ import annotations

import base64
import io
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from ssuformer.run_lengths import Mask as Mask
from ssuformer.run_lengths import mask_of_runs, read_runs


class Rle(TypedDict):
    """COCO's compressed run-lengths; `size` is height, width."""

    size: list[int]
    counts: str


class UncompressedRle(TypedDict):
    """COCO's run-lengths down the columns, beginning with background; `size` is height, width."""

    size: list[int]
    counts: list[int]


def encode_rle(mask: Mask) -> Rle:
    """Return the mask as COCO's compressed run-lengths."""
    encoded = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return Rle(size=[int(side) for side in mask.shape], counts=encoded["counts"].decode())


def decode_rle(rle: Rle) -> Mask:
    """Return the mask encoded by `encode_rle`."""
    return mask_of_runs(read_runs(rle["counts"].encode()), rle["size"])


def encode_uncompressed_rle(mask: Mask) -> UncompressedRle:
    """Return the mask as plain run-lengths down the columns."""
    column = mask.ravel(order="F")
    changes = np.flatnonzero(column[1:] != column[:-1]) + 1
    bounds = np.concatenate([[0], changes, [column.size]])
    counts = np.diff(bounds).tolist()
    starts_inside = bool(column.size) and bool(column[0])
    return UncompressedRle(
        size=[int(side) for side in mask.shape], counts=[0, *counts] if starts_inside else counts
    )


def encode_png(mask: Mask) -> str:
    """Return the mask as a black-and-white PNG in base64."""
    file = io.BytesIO()
    Image.fromarray(mask).save(file, format="PNG")
    return base64.b64encode(file.getvalue()).decode()


def bounding_box(mask: Mask) -> tuple[int, int, int, int]:
    """Return x, y, width and height of the smallest box around a mask; zeros if it is empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size == 0:
        return 0, 0, 0, 0
    x, y = int(columns[0]), int(rows[0])
    return x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1


def overlap(one: Mask, other: Mask) -> float:
    """Return intersection over union; 0 if both are empty."""
    union = np.count_nonzero(one | other)
    return float(np.count_nonzero(one & other) / union) if union else 0.0


def enlarge(probability: NDArray[np.float32], *, size: tuple[int, int], threshold: float) -> Mask:
    """Return where a small map, stretched to `size` (height, width), exceeds the threshold.

    Bilinear, pixel centres aligned as in `interpolate(..., align_corners=False)`. Only the part
    that can exceed the threshold is computed.
    """
    mask = np.zeros(size, bool)
    x, y, width, height = bounding_box(probability > threshold)
    if width == 0:
        return mask
    rows, row_weights, row_span = _taps(probability.shape[0], size[0], y, y + height)
    columns, column_weights, column_span = _taps(probability.shape[1], size[1], x, x + width)
    tall = _blend(probability, rows, row_weights[:, None], axis=0)
    full = _blend(tall, columns, column_weights, axis=1)
    mask[row_span, column_span] = full > threshold
    return mask


def _taps(
    small: int, large: int, begin: int, end: int
) -> tuple[NDArray[np.intp], NDArray[np.float32], slice]:
    """Return the pixel range of cells begin..end; for each pixel its cell and the next's weight."""
    centres = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    low = int(np.searchsorted(centres, begin - 1, side="right"))
    high = int(np.searchsorted(centres, end, side="left"))
    span = slice(max(low, 0), max(high, low + 1))
    cells = np.minimum(np.floor(centres[span]).astype(np.intp), max(small - 2, 0))
    return cells, (centres[span] - cells).astype(np.float32), span


def _blend(
    values: NDArray[np.float32],
    cells: NDArray[np.intp],
    weights: NDArray[np.float32],
    *,
    axis: int,
) -> NDArray[np.float32]:
    near = values.take(cells, axis=axis)
    far = values.take(np.minimum(cells + 1, values.shape[axis] - 1), axis=axis)
    blended: NDArray[np.float32] = near + (far - near) * weights
    return blended
