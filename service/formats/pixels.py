"""Masks and boxes in pixels of what a player shows, whatever size and format an answer has.

Axes: h w pixels of the clip, upright and square.
"""

from __future__ import annotations

import numpy as np

from service.understanding.mask_formats import RleMask
from service.understanding.schemas import Region, Understanding
from ssuformer.masks import Mask, Rle, encode_rle

Box = tuple[float, float, float, float]
"""x, y, width, height."""


def shown_size(answer: Understanding) -> tuple[int, int]:
    """Return height and width of the clip as a player shows it."""
    return answer.clip.height, answer.clip.width


def mask_in(region: Region, answer: Understanding) -> Mask | None:
    """Return a region's mask [h w]; None if the answer has no masks."""
    return None if region.mask is None else stretched(region.mask.to_mask(), shown_size(answer))


def rle_in(region: Region, answer: Understanding) -> Rle | None:
    """Return a region's mask as COCO's compressed run-lengths; None if there are no masks.

    Run-lengths that are in the answer already are not decoded.
    """
    size = shown_size(answer)
    if isinstance(region.mask, RleMask) and region.mask.size == size:
        return Rle(size=list(size), counts=region.mask.counts)
    mask = mask_in(region, answer)
    return None if mask is None else encode_rle(mask)


def area_in(region: Region, answer: Understanding) -> int:
    """Return the pixels of a region's mask, as stated where the mask need not be stretched."""
    if answer.mask_size == shown_size(answer):
        return region.area
    mask = mask_in(region, answer)
    if mask is not None:
        return int(mask.sum())
    (height, width), (rows, columns) = shown_size(answer), answer.mask_size
    return round(region.area * height * width / (rows * columns))


def box_in(region: Region, answer: Understanding) -> Box:
    """Return a region's box: x, y, width, height."""
    (height, width), (rows, columns) = shown_size(answer), answer.mask_size
    across, down = width / columns, height / rows
    x, y, w, h = region.bbox
    return x * across, y * down, w * across, h * down


def stretched(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return a mask at another size (height, width); each pixel takes the one below it."""
    if mask.shape == size:
        return mask
    rows, columns = (
        (np.arange(there) * here) // there for here, there in zip(mask.shape, size, strict=True)
    )
    return mask[rows][:, columns]
