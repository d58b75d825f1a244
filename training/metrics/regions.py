"""Predicted and true regions of one frame, and their matching.

Axes: n predicted regions, m true regions, h w pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from training.metrics.masks import MASK_THRESHOLD
from training.scene import Scene

MATCH_IOU = 0.5
"""A predicted region is on a source if their masks overlap by at least this IoU."""

UNNAMED = "something"
"""A category that names nothing, and so cannot be wrong."""

KindReader = Callable[[str], str]
"""Returns the kind of any category, `person` among them."""


@dataclass(frozen=True, slots=True)
class PredictedRegion:
    """A predicted source in one frame."""

    mask: npt.NDArray[Any]
    """`[h w]`: bool, or a probability with threshold 0.5."""
    score: float
    """Score; ranks the regions for average precision."""
    category: str
    """Category from the classifier head."""
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class TrueRegion:
    """A source that sounds in one frame and can be seen there: one *source-frame*."""

    mask: npt.NDArray[np.bool_]
    category: str
    sentence: str = ""


def true_regions(scene: Scene, frame: int) -> list[TrueRegion]:
    """Return the sources that sound in a frame and show at least one pixel there."""
    return [
        TrueRegion(source.masks[frame], source.category, source.sentences[frame])
        for source in scene.sources
        if source.sounding[frame] and source.masks[frame].any()
    ]


def ranked(regions: Sequence[PredictedRegion]) -> list[PredictedRegion]:
    """Return the regions with bool masks, highest score first."""
    return [
        replace(region, mask=_cut(region.mask))
        for region in sorted(regions, key=lambda region: -region.score)
    ]


def pairwise_iou(
    regions: Sequence[PredictedRegion], truths: Sequence[TrueRegion]
) -> npt.NDArray[np.float64]:
    """Return `[n m]`: IoU of every predicted bool mask with every true one."""
    if not regions or not truths:
        return np.zeros((len(regions), len(truths)))
    predicted = np.stack([_cut(region.mask).ravel() for region in regions])
    true = np.stack([truth.mask.ravel() for truth in truths])
    # float32 is exact up to 2^24 pixels, and its matrix product is fast.
    shared = (predicted.astype(np.float32) @ true.astype(np.float32).T).astype(np.float64)
    areas = predicted.sum(axis=1)[:, None] + true.sum(axis=1)[None, :]
    ious: npt.NDArray[np.float64] = shared / np.maximum(areas - shared, 1)
    return ious


def match(ious: npt.NDArray[np.float64], *, least: float) -> list[tuple[int, int]]:
    """Return (predicted, true) pairs, one to one, the largest overlap first.

    Only pairs that overlap at all and by at least `least` are matched; ties go to the first row.
    """
    pairs: list[tuple[int, int]] = []
    free = ious.copy()
    while free.size and free.max() > 0 and free.max() >= least:
        n, m = divmod(int(free.argmax()), free.shape[1])
        pairs.append((n, m))
        free[n, :] = 0
        free[:, m] = 0
    return pairs


def misnames_person(name: str, kind: KindReader) -> bool:
    """Return whether a name, given to a region on a person, is that of an animal or a thing."""
    return name != UNNAMED and kind(name) != "person"


def _cut(mask: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return mask if mask.dtype == np.bool_ else mask > MASK_THRESHOLD
