"""The joint score: a region counts only if its mask and its fact are both correct.

Everything is counted over *source-frames* (a source that sounds in a frame and is visible there)
and over predicted regions. A region is *on* a source-frame if it is the one that overlaps it most,
by an IoU of at least 0.5; a second region on the same source-frame is a false positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.metrics.counts import harmonic_mean, share


@dataclass(frozen=True, slots=True)
class JointScores:
    """Results of a `JointAccumulator`."""

    precision: float
    """Share of predicted regions that are on a source and name it."""
    recall: float
    """Share of source-frames that have a region on them that names them."""
    f1: float
    """Harmonic mean of the two."""
    fact_accuracy: float
    """Share of source-frames with a region on them that this region names."""
    region_recall: float
    """Share of source-frames that have a region on them, whatever it names."""


class JointAccumulator:
    """Counts of regions, source-frames, matches and matches with the right fact."""

    def __init__(self) -> None:
        self._regions = 0
        self._source_frames = 0
        self._matched = 0
        self._right = 0

    def add(self, named_right: Sequence[bool], *, regions: int, source_frames: int) -> None:
        """Add one frame: for each matched pair whether its fact is correct, and both counts."""
        self._regions += regions
        self._source_frames += source_frames
        self._matched += len(named_right)
        self._right += sum(named_right)

    def scores(self) -> JointScores:
        """Return the scores of all frames so far."""
        precision = share(self._right, self._regions)
        recall = share(self._right, self._source_frames)
        return JointScores(
            precision=precision,
            recall=recall,
            f1=harmonic_mean(precision, recall),
            fact_accuracy=share(self._right, self._matched),
            region_recall=share(self._matched, self._source_frames),
        )
