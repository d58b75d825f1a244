"""Choose a model's decision thresholds on scenes that it was not trained on.

Axes: t frames, k categories, h w pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ssuformer.manifest import Thresholds
from ssuformer.masks import overlap
from ssuformer.regions import Segmentation, category_probabilities, find_regions
from training.batch import SceneSource, groups
from training.metrics.regions import MATCH_IOU
from training.predictor import Predictor
from training.scene import Scene, Source, Unseen

REGIONS = tuple(
    Thresholds(sounding=sounding / 20, mask=mask / 20)
    for sounding in range(4, 15)
    for mask in range(6, 14)
)
"""Candidates for the thresholds of regions."""

SHARES = np.arange(20) / 20
"""Candidates for those of names and of what is heard."""


def find_thresholds(
    predictor: Predictor, scenes: SceneSource, count: int, categories: Sequence[str]
) -> Thresholds:
    """Return the thresholds that are best on `count` scenes, whose names are the model's.

    `sounding` and `mask` get the best mean score of a frame: its IoU, or, if it is silent, 1 if
    nothing is shown and 0 otherwise; of those within a standard error of the best, the nearest to
    the defaults, as so many scenes cannot tell them apart. With those, `category` gets the most
    regions named right, less those named wrong, and `heard` the best F1 of the categories that
    sound in a frame.
    """
    clips: list[tuple[Scene, Segmentation]] = []
    for group in groups(scenes, count):
        frames = np.stack([scene.frames for scene in group])
        sound = np.stack([scene.waveform for scene in group])
        clips.extend(zip(group, predictor.segment(frames, sound), strict=True))
    best = _plainest(np.array([[_frame_score(*clip, at) for at in REGIONS] for clip in clips]))
    points = np.sum([_points(*clip, best, categories) for clip in clips], axis=0)
    counts = np.sum([_heard(*clip, categories) for clip in clips], axis=0)
    right, told, true = counts
    chosen = {
        "sounding": best.sounding,
        "mask": best.mask,
        "category": float(SHARES[points.argmax()]),
        "heard": float(SHARES[(right / np.maximum(told + true, 1)).argmax()]),
    }
    if not true.any():
        del chosen["heard"]
    return predictor.thresholds.model_copy(update=chosen)


def _plainest(scores: npt.NDArray[np.float64]) -> Thresholds:
    """Return the thresholds of REGIONS to take, given the score `[n]` of each in every clip."""
    behind = scores[:, [scores.sum(axis=0).argmax()]] - scores
    error = behind.std(axis=0) / np.sqrt(len(scores))
    as_good = np.flatnonzero(behind.mean(axis=0) <= error)
    usual = Thresholds()
    return min(
        (REGIONS[n] for n in as_good),
        key=lambda one: abs(one.sounding - usual.sounding) + abs(one.mask - usual.mask),
    )


def _frame_score(scene: Scene, clip: Segmentation, thresholds: Thresholds) -> float:
    truth = _sampled(scene.sounding_mask(), clip)
    audible = clip.sounding_probability >= thresholds.sounding
    shown = ((clip.mask_probability > thresholds.mask) & audible[:, :, None, None]).any(axis=1)
    either = (shown | truth).sum(axis=(1, 2))
    both = (shown & truth).sum(axis=(1, 2))
    return float(np.where(either > 0, both / np.maximum(either, 1), 1.0).sum())


def _points(
    scene: Scene, clip: Segmentation, thresholds: Thresholds, categories: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Return, for each of SHARES, the regions on a source named right less those named wrong."""
    points = np.zeros(len(SHARES), np.int64)
    sureness = category_probabilities(clip)
    sources = [(source, _sampled(source.masks, clip)) for source in scene.sources]
    for found in (
        region
        for frame in find_regions(clip, thresholds=thresholds, min_score=0.0, categories=categories)
        for region in frame
    ):
        for source, masks in sources:
            if (
                source.sounding[found.frame]
                and overlap(found.mask, masks[found.frame]) >= MATCH_IOU
            ):
                right = source.category == categories[found.category]
                points += np.where(sureness[found.query] >= SHARES, 1 if right else -1, 0)
    return points


def _heard(scene: Scene, clip: Segmentation, categories: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return how many categories are told rightly, told, and sound, for each of SHARES: `[3 n]`."""
    counts = np.zeros((3, len(SHARES)), np.int64)
    if clip.heard_probability is None:
        return counts
    truth: npt.NDArray[np.bool_] = np.zeros_like(clip.heard_probability, np.bool_)
    sounds: tuple[Source | Unseen, ...] = (*scene.sources, *scene.unseen)
    for sound in sounds:
        if sound.category in categories:
            truth[:, categories.index(sound.category)] |= sound.sounding
    told = clip.heard_probability[..., None] >= SHARES
    counts[0] = (told & truth[..., None]).sum(axis=(0, 1))
    counts[1] = told.sum(axis=(0, 1))
    counts[2] = truth.sum()
    return counts


def _sampled(masks: npt.NDArray[np.bool_], clip: Segmentation) -> npt.NDArray[np.bool_]:
    """Return `[t h w]` masks at the middles of the cells of the model's."""
    cell = masks.shape[-1] // clip.mask_probability.shape[-1]
    return masks[:, cell // 2 :: cell, cell // 2 :: cell]
