"""Scores of the union mask of all sources: J, F and false alarms.

Axes: t frames, h w pixels, k thresholds. A frame *sounds* if its truth holds at least one pixel.

Two protocols, which must not be mixed in one table:

    frames     J: IoU at probability > 0.5, mean over all sounding frames of all videos.
               F: the F curve over 255 thresholds, averaged over the sounding frames of a video;
               its maximum; mean over the videos that have a sounding frame.
    avsbench   the result of the AVSBench evaluation code with one video per call. J: mean over the
               frames of a video, then over videos; a silent frame scores its share of pixels
               predicted 0. F: as above, but a video without a sounding frame counts as 0.

For both protocols, `f_dataset` averages the curve over all sounding frames before its maximum
is taken, and `false_alarm_area` is the share of pixels predicted in silent frames. Threshold 0
passes every pixel, so F of an empty prediction is not 0 but that of a prediction of everything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from training.metrics.counts import Mean

Protocol = Literal["frames", "avsbench"]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MASK_THRESHOLD = 0.5
"""A pixel is predicted if its probability is greater than this."""

BETA_SQUARED = 0.3
_STEPS = np.arange(255)
_STEP = float(np.float32(1) / np.float32(254))
THRESHOLDS = np.where(_STEPS < 127, _STEP * _STEPS, 1 - _STEP * (254 - _STEPS)).astype(np.float32)
"""A pixel passes a threshold if its probability is at least this.

Bit-identical to the reference's `torch.linspace(0, 1 - 1e-10, 255)`, which in float32 ends at 1
exactly and counts from both ends.
"""

J_EPSILON = 1e-7
F_EPSILON = 1e-20


@dataclass(frozen=True, slots=True)
class MaskScores:
    """Results of a `MaskAccumulator`; a mean over no frames is 0."""

    protocol: Protocol
    j: float
    f: float
    f_dataset: float
    false_alarm_area: float
    videos: int
    sounding_frames: int
    silent_frames: int


class MaskAccumulator:
    """J, F and false-alarm area, video by video."""

    def __init__(self, protocol: Protocol = "frames") -> None:
        self.protocol: Protocol = protocol
        self._j = Mean()
        self._f = Mean()
        self._false_alarm = Mean()
        self._curves = np.zeros(len(THRESHOLDS))
        self._videos = 0
        self._sounding_frames = 0

    def add(self, probabilities: npt.NDArray[Any], truth: npt.NDArray[Any]) -> None:
        """Add one video: probabilities 0..1 and truth, both `[t h w]`; ValueError otherwise."""
        probabilities, truth = _checked(probabilities, truth)
        predicted = probabilities > MASK_THRESHOLD
        sounding = truth.any(axis=(1, 2))
        curves = f_curves(probabilities[sounding], truth[sounding])
        self._videos += 1
        self._sounding_frames += len(curves)
        self._curves += curves.sum(axis=0)
        self._false_alarm.add(predicted[~sounding].mean(axis=(1, 2)))
        if self.protocol == "avsbench":
            self._j.add(avsbench_frame_scores(predicted, truth).mean())
        else:
            self._j.add(frame_ious(predicted[sounding], truth[sounding]))
        if len(curves):
            self._f.add(curves.mean(axis=0).max())
        elif self.protocol == "avsbench":
            self._f.add(0.0)

    def scores(self) -> MaskScores:
        """Return the scores of all videos so far."""
        return MaskScores(
            protocol=self.protocol,
            j=self._j.value,
            f=self._f.value,
            f_dataset=float(self._curves.max() / max(self._sounding_frames, 1)),
            false_alarm_area=self._false_alarm.value,
            videos=self._videos,
            sounding_frames=self._sounding_frames,
            silent_frames=self._false_alarm.count,
        )


def frame_ious(predicted: Bools, truth: Bools) -> Floats:
    """Return `[t]`: intersection over union of two `[t h w]` masks, 0 where both are empty."""
    shared = (predicted & truth).sum(axis=(1, 2), dtype=np.float64)
    union = (predicted | truth).sum(axis=(1, 2), dtype=np.float64)
    ious: Floats = shared / np.maximum(union, 1)
    return ious


def avsbench_frame_scores(predicted: Bools, truth: Bools) -> Floats:
    """Return `[t]`: IoU, or the share of pixels predicted 0 where the truth is empty."""
    sounding = truth.any(axis=(1, 2))
    pixels = truth.shape[1] * truth.shape[2]
    right = np.where(
        sounding, (predicted & truth).sum(axis=(1, 2)), (~predicted & ~truth).sum(axis=(1, 2))
    )
    counted = np.where(sounding, (predicted | truth).sum(axis=(1, 2)), pixels)
    scores: Floats = right / (counted + J_EPSILON)
    return scores


def f_curves(probabilities: npt.NDArray[np.float32], truth: Bools) -> Floats:
    """Return `[t k]`: F of every frame at every threshold; 0 where it is undefined.

    One histogram per frame over the 255 thresholds, for pixels in and out of the truth; summed
    from the top it gives the number of pixels above each threshold.
    """
    t, k = len(truth), len(THRESHOLDS)
    # digitize counts the thresholds a pixel passes (1..k); frame and truth choose the row.
    rows = 2 * np.arange(t)[:, None, None] + truth
    index = rows * (k + 1) + np.digitize(probabilities, THRESHOLDS)
    histogram = np.bincount(index.ravel(), minlength=2 * t * (k + 1)).reshape(t, 2, k + 1)
    passed = histogram[:, :, ::-1].cumsum(axis=2)[:, :, ::-1][:, :, 1:]
    hits = passed[:, 1]
    precision = hits / (passed.sum(axis=1) + F_EPSILON)
    recall = hits / (truth.sum(axis=(1, 2))[:, None] + F_EPSILON)
    denominator = BETA_SQUARED * precision + recall
    curves = np.zeros((t, k))
    np.divide(
        (1 + BETA_SQUARED) * precision * recall, denominator, out=curves, where=denominator > 0
    )
    return curves


def _checked(
    probabilities: npt.NDArray[Any], truth: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float32], Bools]:
    """Return both in the required element types; ValueError if shapes or values are invalid."""
    if probabilities.shape != truth.shape or truth.ndim != 3 or not truth.size:
        raise ValueError(
            f"probabilities {probabilities.shape} and truth {truth.shape} must both be [t h w]"
        )
    floats = probabilities.astype(np.float32)
    # Written so that NaN fails, too: otherwise it would pass every threshold.
    if not (floats.min() >= 0 and floats.max() <= 1):
        raise ValueError(f"probabilities must be 0..1, not {floats.min()}..{floats.max()}")
    return floats, truth.astype(np.bool_)
