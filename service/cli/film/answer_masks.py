"""From the regions of an answer, in whichever form their masks came, to what can be drawn."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from service.cli.film.drawing import Mark
from service.understanding.schemas import (
    Frame,
    PlainRleMask,
    PngMask,
    PolygonMask,
    Region,
    RleMask,
)
from ssuformer.masks import Mask, Rle, decode_rle


def marks_of(frame: Frame, size: tuple[int, int]) -> tuple[Mark, ...]:
    """Return what is to be drawn of a frame whose masks are of this size (height, width)."""
    return tuple(
        Mark(track=region.track, mask=mask_of(region, size), text=text_of(region))
        for region in frame.regions
    )


def text_of(region: Region) -> str:
    """Return the sentence of a region, or what it is where there is none."""
    return region.description or f"{region.category}, {region.score:.0%}"


def mask_of(region: Region, size: tuple[int, int]) -> Mask:
    """Return the mask of a region; its box where no mask was asked for."""
    match region.mask:
        case RleMask() as mask:
            return decode_rle(Rle(size=list(mask.size), counts=mask.counts))
        case PlainRleMask() as mask:
            inside = np.repeat(np.arange(len(mask.counts)) % 2 == 1, mask.counts)
            return inside.reshape(mask.size, order="F")
        case PolygonMask() as mask:
            return _fill(mask)
        case PngMask() as mask:
            with Image.open(io.BytesIO(base64.b64decode(mask.png))) as picture:
                return np.asarray(picture.convert("1"))
        case None:
            return _box(region.bbox, size)


def _fill(mask: PolygonMask) -> Mask:
    """Fill rings along pixel edges even-odd: a pixel is inside after an odd number of sides."""
    height, width = mask.size
    sides = np.zeros((height, width + 1), np.int32)
    for ring in mask.rings:
        corners = np.array(ring).reshape(-1, 2)
        for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if x0 == x1:
                sides[min(y0, y1) : max(y0, y1), x0] += 1
    inside: Mask = sides.cumsum(axis=1)[:, :width] % 2 == 1
    return inside


def _box(bbox: tuple[int, int, int, int], size: tuple[int, int]) -> Mask:
    mask = np.zeros(size, bool)
    x, y, width, height = bbox
    mask[y : y + height, x : x + width] = True
    return mask
