"""What a run's answers are like, frame by frame: its score against what the frame is like.

Axes: t frames, h w pixels.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ssuformer.media.sound_level import level
from training.metrics.boxes import LEAST_IOU
from training.metrics.masks import MASK_THRESHOLD, frame_ious
from training.metrics.regions import (
    MATCH_IOU,
    PredictedRegion,
    match,
    pairwise_iou,
    ranked,
    true_regions,
)
from training.scene import Scene

Regions = Sequence[Sequence[PredictedRegion]]
Values = dict[str, list[float]]
"""Bin -> the scores of what falls into it."""
Pairs = Counter[tuple[str, str]]
"""How often something of a category was answered as another: (true, told)."""


@dataclass(frozen=True, slots=True)
class Factor:
    """Something that a score may depend on, and its bins in order."""

    name: str
    title: str
    bins: tuple[str, ...]


def _between(unit: str, *edges: float) -> tuple[str, ...]:
    """Return the names of the bins that `edges` part."""
    inner = (f"{low:g} to {high:g}{unit}" for low, high in pairwise(edges))
    return (f"under {edges[0]:g}{unit}", *inner, f"over {edges[-1]:g}{unit}")


LEVELS, SNRS, SIZES = (-50, -40, -30, -20), (5, 15, 25, 35), (1, 3, 10, 30)
WITHOUT_CUT, AT_CUT, NEAR_CUT = "clip without a cut", "beside a cut", "elsewhere in a cut clip"

FACTORS = (
    Factor("level", "Level of the second, dBFS", _between("", *LEVELS)),
    Factor("snr", "What sounds above the noise (SNR), dB", _between("", *SNRS)),
    Factor("size", "Size of a thing, % of the picture", _between("", *SIZES)),
    Factor("sources", "Things in the picture that sound", ("1", "2", "3 or more")),
    Factor("cuts", "Cuts", (WITHOUT_CUT, AT_CUT, NEAR_CUT)),
)
"""Scores are those of frames; of a thing's size, those of the thing in a frame."""

NO_REGION, NOTHING_THERE = "no region", "nothing there"


@dataclass(slots=True)
class Findings:
    """Collects the scores of frames in which something in the picture sounds.

    The score of a frame is J; where the truth has boxes, the IoU of the best region with a box.
    """

    boxes: bool = False
    scenes: dict[int, list[float]] = field(default_factory=dict)
    """Scene number -> the scores of its frames."""
    values: dict[str, Values] = field(default_factory=lambda: defaultdict(dict))
    """Name of a factor -> scores by bin; empty if the truth does not tell it."""
    pairs: Pairs = field(default_factory=Counter)

    def watch(
        self, number: int, truth: Scene, regions: Regions, union: npt.NDArray[np.float32]
    ) -> None:
        """Add a scene, as `training.evaluation.score` shows it."""
        scores = frame_scores(truth, regions, union, boxes=self.boxes)
        for frame, score in scores.items():
            self.scenes.setdefault(number, []).append(score)
            for name, bin_ in self._bins(truth, frame).items():
                self._add(name, bin_, score)
        for frame, predicted in enumerate(regions):
            self._add_things(truth, frame, predicted)

    @property
    def mean(self) -> float:
        """Return the mean score of all frames; 0 if there are none."""
        values = [value for scores in self.scenes.values() for value in scores]
        return float(np.mean(values)) if values else 0.0

    def _add(self, factor: str, bin_: str, score: float) -> None:
        self.values[factor].setdefault(bin_, []).append(score)

    def _bins(self, truth: Scene, frame: int) -> dict[str, str]:
        """Return the bin of a frame for each factor that the truth tells."""
        loud = float(level(truth.waveform[frame]))
        sources = len(true_regions(truth, frame))
        found = {
            "level": _bin("level", loud, LEVELS),
            "sources": FACTORS[3].bins[min(sources, 3) - 1],
        }
        if truth.snr_db is not None:
            found["snr"] = _bin("snr", truth.snr_db, SNRS)
        if truth.shots is not None:
            found["cuts"] = _cut(truth.shots, frame)
        return found

    def _add_things(self, truth: Scene, frame: int, predicted: Sequence[PredictedRegion]) -> None:
        regions, things = ranked(predicted), true_regions(truth, frame)
        ious = pairwise_iou(regions, things)
        best = ious.max(axis=0, initial=0.0)
        for thing, iou in zip(things, best, strict=True):
            self._add("size", _bin("size", 100 * float(thing.mask.mean()), SIZES), float(iou))
        matched = match(ious, least=LEAST_IOU if self.boxes else MATCH_IOU)
        told, true = {n for n, _ in matched}, {m for _, m in matched}
        self.pairs.update((things[m].category, regions[n].category) for n, m in matched)
        self.pairs.update(
            (thing.category, NO_REGION) for m, thing in enumerate(things) if m not in true
        )
        self.pairs.update(
            (NOTHING_THERE, region.category) for n, region in enumerate(regions) if n not in told
        )


def frame_scores(
    truth: Scene, regions: Regions, union: npt.NDArray[np.float32], *, boxes: bool
) -> dict[int, float]:
    """Return the score of each frame in which something in the picture sounds."""
    mask = truth.sounding_mask()
    sounding = np.flatnonzero(mask.any(axis=(1, 2))).tolist()
    if not boxes:
        ious = frame_ious(union > MASK_THRESHOLD, mask)
        return {t: float(ious[t]) for t in sounding}
    return {
        t: float(pairwise_iou(ranked(regions[t]), true_regions(truth, t)).max(initial=0.0))
        for t in sounding
    }


def _bin(factor: str, value: float, edges: Sequence[float]) -> str:
    bins = next(known.bins for known in FACTORS if known.name == factor)
    return bins[int(np.searchsorted(edges, value, side="right"))]


def _cut(shots: npt.NDArray[np.int64], frame: int) -> str:
    if (shots == shots[0]).all():
        return WITHOUT_CUT
    around = shots[max(frame - 1, 0) : frame + 2]
    return AT_CUT if (around != shots[frame]).any() else NEAR_CUT
