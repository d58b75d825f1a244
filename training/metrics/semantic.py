"""AVSBench's semantic scores: every pixel has one category or is background.

IoU and F (beta^2 = 0.3) of a category are measured in each frame where it is in the truth or in the
answer, averaged over those frames, then over the categories that occur; background is one of them.
A pixel under several regions has the category of the one with the highest score, a pixel under
several sources that of the first. As described for AVSBench's semantic set ("Audio-Visual
Segmentation with Semantics"), which has 71 classes; here a class has its name in the model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from training.metrics.counts import Mean, share
from training.metrics.regions import PredictedRegion, TrueRegion

BETA_SQUARED = 0.3
BACKGROUND = ""

Pixels = npt.NDArray[np.bool_]


class SemanticAccumulator:
    """IoU and F of labels of pixels, by category, frame by frame."""

    def __init__(self) -> None:
        self._iou: defaultdict[str, Mean] = defaultdict(Mean)
        self._f: defaultdict[str, Mean] = defaultdict(Mean)

    def add(
        self,
        regions: Sequence[PredictedRegion],
        truths: Sequence[TrueRegion],
        size: tuple[int, int],
    ) -> None:
        """Add a frame of size `(h, w)`: regions with bool masks, best first, and sources."""
        told = _labels(((region.category, region.mask) for region in regions), size)
        true = _labels(((truth.category, truth.mask) for truth in truths), size)
        nothing = np.zeros(size, np.bool_)
        for name in told.keys() | true.keys():
            said, is_so = told.get(name, nothing), true.get(name, nothing)
            if not said.any() and not is_so.any():
                continue
            both = float((said & is_so).sum())
            precision, recall = share(both, float(said.sum())), share(both, float(is_so.sum()))
            weighted = BETA_SQUARED * precision + recall
            self._iou[name].add(both / float((said | is_so).sum()))
            self._f[name].add(share((1 + BETA_SQUARED) * precision * recall, weighted))

    def scores(self) -> tuple[float, float]:
        """Return mean IoU and mean F over the categories that occur."""
        return _mean(self._iou.values()), _mean(self._f.values())


def _labels(parts: Iterable[tuple[str, Pixels]], size: tuple[int, int]) -> dict[str, Pixels]:
    """Return the pixels of each category and of the background; no pixel belongs to two."""
    free = np.ones(size, np.bool_)
    labels: dict[str, Pixels] = {}
    for name, mask in parts:
        labels[name] = labels.get(name, False) | (mask & free)
        free &= ~mask
    return {**labels, BACKGROUND: free}


def _mean(means: Iterable[Mean]) -> float:
    values = [mean.value for mean in means]
    return share(sum(values), len(values))
