"""Scores per source: average precision of matched masks, and J per source, both with category.

Average precision is COCO's: per category, detections of all frames ranked by score; a detection is
correct if it overlaps a still unmatched source of its category by the IoU threshold; precision is
read at 101 recalls; mean over the categories that occur in the truth. A category that is predicted
but never occurs costs nothing here (it does in the joint score).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from training.metrics.counts import Mean
from training.metrics.regions import PredictedRegion, TrueRegion, match, pairwise_iou, ranked

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True, slots=True)
class InstanceScores:
    """Results of an `InstanceAccumulator`."""

    ap50: float
    """Average precision at IoU >= 0.5, mean over categories."""
    ap: float
    """Mean of the average precisions at IoU >= 0.5, 0.55, ..., 0.95."""
    j: float
    """IoU of every source-frame with its region of the same category, 0 if it has none."""
    ap50_by_category: Mapping[str, float]
    j_by_category: Mapping[str, float]


@dataclass(slots=True)
class _Category:
    """Data of one category."""

    scores: list[float] = field(default_factory=list)
    hits: list[npt.NDArray[np.bool_]] = field(default_factory=list)
    """One `[10]` per detection: whether it is correct at each IoU threshold."""
    j: Mean = field(default_factory=Mean)


class InstanceAccumulator:
    """Average precision and J per source, frame by frame."""

    def __init__(self) -> None:
        self._categories: defaultdict[str, _Category] = defaultdict(_Category)

    def add(self, regions: Sequence[PredictedRegion], truths: Sequence[TrueRegion]) -> None:
        """Add the predictions and the ground truth of one frame."""
        for name in {r.category for r in regions} | {truth.category for truth in truths}:
            found = ranked([region for region in regions if region.category == name])
            true = [truth for truth in truths if truth.category == name]
            ious = pairwise_iou(found, true)
            category = self._categories[name]
            category.scores += [region.score for region in found]
            category.hits += list(detection_hits(ious))
            overlaps = [ious[pair] for pair in match(ious, least=0.0)]
            category.j.add(overlaps + [0.0] * (len(true) - len(overlaps)))

    def scores(self) -> InstanceScores:
        """Return the scores of all frames so far."""
        true = {name: c for name, c in sorted(self._categories.items()) if c.j.count}
        precisions = {name: _average_precisions(c) for name, c in true.items()}
        ap = Mean()
        ap.add(list(precisions.values()))
        ap50 = Mean()
        ap50.add([precision[0] for precision in precisions.values()])
        j = Mean(sum(c.j.total for c in true.values()), sum(c.j.count for c in true.values()))
        return InstanceScores(
            ap50=ap50.value,
            ap=ap.value,
            j=j.value,
            ap50_by_category={name: float(ap[0]) for name, ap in precisions.items()},
            j_by_category={name: c.j.value for name, c in true.items()},
        )


def detection_hits(ious: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return `[n 10]`: which detections are correct at each IoU threshold, given IoU `[n m]`.

    The highest score comes first and takes the unmatched source it overlaps most.
    """
    hits = np.zeros((len(ious), len(IOU_THRESHOLDS)), dtype=np.bool_)
    if not ious.size:
        return hits
    for i, threshold in enumerate(IOU_THRESHOLDS):
        free = ious.copy()
        for n in range(len(ious)):
            m = int(free[n].argmax())
            if free[n, m] >= threshold:
                hits[n, i] = True
                free[:, m] = 0
    return hits


def average_precision(
    scores: npt.NDArray[np.float64], hits: npt.NDArray[np.bool_], *, true: int
) -> float:
    """Return the mean over 101 recalls of the best precision at that recall or a higher one."""
    if not len(scores):
        return 0.0
    ordered = hits[np.argsort(-scores, kind="stable")]
    found = ordered.cumsum()
    precision = found / np.arange(1, len(ordered) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(found / true, RECALLS, side="left")
    return float(np.append(envelope, 0.0)[at].mean())


def _average_precisions(category: _Category) -> npt.NDArray[np.float64]:
    """Return `[10]`: the average precision of one category at each IoU threshold."""
    hits = np.array(category.hits, dtype=np.bool_).reshape(-1, len(IOU_THRESHOLDS))
    scores = np.array(category.scores, dtype=np.float64)
    return np.array([average_precision(scores, column, true=category.j.count) for column in hits.T])
