"""Convert the regions of an answer, in any mask format, into marks that can be drawn."""

from __future__ import annotations

import numpy as np

from service.film.drawing import Mark
from service.understanding.schemas import Frame, Region, Understanding
from ssuformer.masks import Mask
from ssuformer.sentences import heard_clause


def marks_of(frame: Frame, size: tuple[int, int]) -> tuple[Mark, ...]:
    """Return the marks of a frame whose masks have this size (height, width)."""
    return tuple(
        Mark(track=region.track, mask=mask_of(region, size), text=text_of(region))
        for region in frame.regions
    )


def text_of(region: Region) -> str:
    """Return the sentence of a region, or its category if it has none."""
    return region.description or f"{region.category}, {region.score:.0%}"


def unseen_of(frame: Frame) -> list[str]:
    """Return a line about what is heard in a frame but not seen; none if there is nothing."""
    clauses = [heard_clause(each.description) for each in frame.heard if each.description]
    return [f"heard, not seen: {', '.join(clauses)}"] if clauses else []


def notices_of(answer: Understanding) -> list[str]:
    """Return the warnings of an answer, a line of text each."""
    return [f"{notice.code}: {notice.message}" for notice in answer.warnings]


def mask_of(region: Region, size: tuple[int, int]) -> Mask:
    """Return the mask of a region; its box if the answer has no masks."""
    return _box(region.bbox, size) if region.mask is None else region.mask.to_mask()


def _box(bbox: tuple[int, int, int, int], size: tuple[int, int]) -> Mask:
    mask = np.zeros(size, bool)
    x, y, width, height = bbox
    mask[y : y + height, x : x + width] = True
    return mask
