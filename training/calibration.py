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

MOST_FALSE = 0.15
"""Share of the seconds without a visible sounding source that may get a region."""

MOST_WRONG = 0.1
"""Share of the names told, of regions on a sounding source, that may be wrong."""

SHARES = np.arange(20) / 20
"""Candidates for those of names and of what is heard."""


def find_thresholds(
    predictor: Predictor, scenes: SceneSource, count: int, categories: Sequence[str]
) -> Thresholds:
    """Return the thresholds that are best on `count` scenes, whose names are the model's.

    `sounding` and `mask` get the best mean IoU of frames with a sounding source, of the candidates
    that show a region in at most `MOST_FALSE` of the frames without one; of those within a standard
    error of the best, the nearest to the defaults, as so many scenes cannot tell them apart. With
    those, `category` is the lowest at which at most `MOST_WRONG` of the names told are wrong, and
    `heard` gets the best F1 of the categories that sound in a frame.
    """
    clips: list[tuple[Scene, Segmentation]] = []
    for group in groups(scenes, count):
        frames = np.stack([scene.frames for scene in group])
        sound = np.stack([scene.waveform for scene in group])
        clips.extend(zip(group, predictor.segment(frames, sound), strict=True))
    best = _plainest(np.array([[_frame_scores(*clip, at) for at in REGIONS] for clip in clips]))
    names = np.array([name for clip in clips for name in _names(*clip, best, categories)])
    counts = np.sum([_heard(*clip, categories) for clip in clips], axis=0)
    right, told, true = counts
    chosen = {
        "sounding": best.sounding,
        "mask": best.mask,
        "category": _sure_enough(names.reshape(-1, 2)),
        "heard": float(SHARES[(right / np.maximum(told + true, 1)).argmax()]),
    }
    if not true.any():
        del chosen["heard"]
    return predictor.thresholds.model_copy(update=chosen)


def _plainest(scores: npt.NDArray[np.float64]) -> Thresholds:
    """Return the thresholds of REGIONS to take; `scores` are `_frame_scores`, `[n candidates 3]`.

    If none keeps to `MOST_FALSE`, the one that comes nearest.
    """
    share = scores[..., 1].sum(axis=0) / np.maximum(scores[..., 2].sum(axis=0), 1)
    kept = np.flatnonzero(share <= max(MOST_FALSE, share.min()))
    overlaps = scores[:, kept, 0]
    behind = overlaps[:, [overlaps.sum(axis=0).argmax()]] - overlaps
    error = behind.std(axis=0) / np.sqrt(len(behind))
    usual = Thresholds()
    return min(
        (REGIONS[n] for n in kept[behind.mean(axis=0) <= error]),
        key=lambda one: abs(one.sounding - usual.sounding) + abs(one.mask - usual.mask),
    )


def _frame_scores(
    scene: Scene, clip: Segmentation, thresholds: Thresholds
) -> tuple[float, float, float]:
    """Return the summed IoU of frames with a source, and of those without: how many show a region,
    and how many there are."""
    truth = _sampled(scene.sounding_mask(), clip)
    audible = clip.sounding_probability >= thresholds.sounding
    shown = ((clip.mask_probability > thresholds.mask) & audible[:, :, None, None]).any(axis=1)
    sounding = truth.any(axis=(1, 2))
    either = (shown | truth).sum(axis=(1, 2))
    both = (shown & truth).sum(axis=(1, 2))
    overlaps = np.where(sounding, both / np.maximum(either, 1), 0.0)
    return float(overlaps.sum()), float((either[~sounding] > 0).sum()), float((~sounding).sum())


def _sure_enough(names: npt.NDArray[np.float64]) -> float:
    """Return the threshold for `[n 2]` names: right (1 or 0), and how sure."""
    right, sure = names.T
    told = [right[sure >= share] for share in SHARES]
    wrong = np.array([1 - one.mean() if len(one) else 0.0 for one in told])
    return float(SHARES[np.flatnonzero(wrong <= max(MOST_WRONG, wrong.min())).min()])


def _names(
    scene: Scene, clip: Segmentation, thresholds: Thresholds, categories: Sequence[str]
) -> list[tuple[float, float]]:
    """Return of each named region on a source whether that is its name, and how sure it is."""
    every = thresholds.model_copy(update={"category": 0.0})
    sure = category_probabilities(clip)
    sources = [(source, _sampled(source.masks, clip)) for source in scene.sources]
    return [
        (float(source.category == categories[found.category]), sure[found.query])
        for frame in find_regions(clip, thresholds=every, min_score=0.0, categories=categories)
        for found in frame
        for source, masks in sources
        if found.named
        and source.sounding[found.frame]
        and overlap(found.mask, masks[found.frame]) >= MATCH_IOU
    ]


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
