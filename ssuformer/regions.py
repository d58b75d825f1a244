"""Select the regions of an answer from the outputs of the segmentation engine.

Serving and evaluation use the same rules, so that evaluation measures the served output. The
thresholds are stored with the weights (`Thresholds` in `ssuformer/manifest.py`).

Axes: t frames, q queries, k categories, r region tokens, c channels, h w mask pixels,
n sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ssuformer.manifest import Thresholds
from ssuformer.masks import Mask, overlap
from ssuformer.sentences import SOMETHING, Wording

Float = NDArray[np.float32]

SAME = 0.7
"""Masks of one category, or of none that is sure, that overlap more than this in one frame count as
one source."""

STILL = 0.7
"""A source whose mask overlaps the one last described by at least this is unchanged."""


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Engine outputs of one window, per frame and query; the same query is the same source."""

    mask_probability: Float
    """[t q h w], 0..1."""
    sounding_probability: Float
    """[t q], 0..1."""
    category_logits: Float
    """[t q k]."""
    region_tokens: Float
    """[t q r c]."""
    scene_prompt: Float
    """[t c]."""
    source_prompt: Float
    """[t c]."""
    heard_probability: Float | None = None
    """[t k], 0..1; None from an engine that does not say what is heard."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A region of one frame of a window, in the engine's resolution."""

    frame: int
    query: int
    category: int
    score: float
    probability: Float
    mask: Mask
    twins: tuple[int, ...] = ()
    """Queries with a lower score that found the same source in this frame."""
    named: bool = True
    """Whether its category is sure enough to be told; otherwise it is `something`."""


def find_regions(
    window: Segmentation,
    *,
    thresholds: Thresholds,
    min_score: float,
    categories: Sequence[str] = (),
) -> list[list[Detection]]:
    """Return the regions of each frame: highest score first, without duplicates.

    `categories` are the model's; one of them may be `something`.
    """
    numbers = query_categories(window)
    something = categories.index(SOMETHING) if SOMETHING in categories else -1
    sure = category_probabilities(window) >= thresholds.category
    heard = categories_heard(window, thresholds.sounding) >= thresholds.category_heard
    named = sure & heard & (numbers != something)
    least = max(min_score, thresholds.sounding)
    frames = []
    for frame, scores in enumerate(window.sounding_probability):
        found = [
            Detection(
                frame=frame,
                query=query,
                category=int(numbers[query]),
                score=float(scores[query]),
                probability=probability,
                mask=mask,
                named=bool(named[query]),
            )
            for query in np.argsort(-scores, kind="stable").tolist()
            if scores[query] >= least
            and (probability := window.mask_probability[frame, query]) is not None
            and (mask := probability > thresholds.mask).any()
        ]
        frames.append(without_twins(found))
    return frames


def query_categories(window: Segmentation) -> NDArray[np.intp]:
    """Return each query's category [q]: logits over the frames, weighted by sounding score."""
    weights = window.sounding_probability[..., None] + 1e-6
    best: NDArray[np.intp] = (window.category_logits * weights).sum(0).argmax(-1)
    return best


def category_probabilities(window: Segmentation) -> Float:
    """Return the probability of each query's category [q]: softmax of its weighted mean logits."""
    weights = window.sounding_probability[..., None] + 1e-6
    mean = (window.category_logits * weights).sum(0) / weights.sum(0)
    likelihood = np.exp(mean - mean.max(-1, keepdims=True))
    surest: Float = 1 / likelihood.sum(-1)
    return surest


def categories_heard(window: Segmentation, sounding: float) -> Float:
    """Return how probably each query's category is heard [q], at most, where the query sounds.

    0 for a query that never does, 1 if the engine does not say what is heard.
    """
    if window.heard_probability is None:
        return np.ones(window.sounding_probability.shape[1], np.float32)
    heard = window.heard_probability[:, query_categories(window)]
    sounds = window.sounding_probability >= sounding
    most: Float = np.where(sounds, heard, np.float32(0)).max(axis=0, initial=0.0)
    return most


def name_of(found: Detection, categories: Sequence[str]) -> str:
    """Return the name of a region: its category's, or `something` if that is not sure enough."""
    return categories[found.category] if found.named else SOMETHING


def heard_in(
    window: Segmentation,
    frame: int,
    *,
    threshold: float,
    regions: Sequence[Detection] = (),
    generic: Mapping[int, int] | None = None,
) -> list[tuple[int, float]]:
    """Return the categories heard in a frame and their probabilities, the most probable first.

    With `generic`, a category -> the one it is a kind of, a generic category counts as a kind of it
    that is seen among the frame's `regions`, or heard: a violin is not also a bowed string
    instrument out of sight.
    """
    if window.heard_probability is None:
        return []
    probability = window.heard_probability[frame]
    order = np.argsort(-probability, kind="stable").tolist()
    heard = [k for k in order if probability[k] >= threshold]
    kinds = [*(region.category for region in regions if region.named), *heard]
    meant = {generic[k]: k for k in reversed(kinds) if generic and k in generic}
    found: dict[int, float] = {}
    for k in heard:
        found.setdefault(meant.get(k, k), float(probability[k]))
    return list(found.items())


def sentence_of(
    found: Detection,
    caption: str,
    heard: Sequence[tuple[int, float]],
    wording: Wording,
    *,
    alone: bool = True,
) -> str:
    """Return the caption of a region with its open places filled, given what its frame's sound is.

    The other thing is the most probable one that is heard, but for the region's own category.
    `alone` is false where its frame has more regions.
    """
    category = found.category if found.named else None
    other = next((k for k, _ in heard if k != found.category), None)
    return wording.filled(caption, category, other, alone=alone)


def describe(
    window: Segmentation,
    frame: int,
    regions: Sequence[Detection],
    captions: Mapping[tuple[int, int], str],
    *,
    wording: Wording,
    threshold: float,
) -> tuple[list[tuple[int, float]], dict[int, str]]:
    """Return what is heard in a frame, and the sentence of each of its regions by query.

    `captions` are those of frame and query, `threshold` that of what is heard. A region without a
    caption has no sentence.
    """
    heard = heard_in(window, frame, threshold=threshold, regions=regions, generic=wording.generic)
    alone = len(regions) == 1
    return heard, {
        region.query: sentence_of(region, caption, heard, wording, alone=alone)
        for region in regions
        if (caption := captions.get((region.frame, region.query))) is not None
    }


def without_twins(found: list[Detection]) -> list[Detection]:
    """Return the regions of a frame, highest score first, with near-duplicates merged."""
    kept: list[Detection] = []
    for region in found:
        match = next((i for i, other in enumerate(kept) if _same(region, other)), None)
        if match is None:
            kept.append(region)
            continue
        best = kept[match]
        kept[match] = replace(best, twins=(*best.twins, region.query))
    return kept


def _same(one: Detection, other: Detection) -> bool:
    alike = one.category == other.category or not (one.named or other.named)
    return alike and overlap(one.mask, other.mask) > SAME


def to_describe(frames: list[list[Detection]]) -> list[tuple[Detection, list[Detection]]]:
    """Return the regions to describe, each with all regions that share its sentence.

    A sentence holds for a later frame while the same queries are kept with the same categories,
    and the source has not moved since it was described.
    """
    groups: list[tuple[Detection, list[Detection]]] = []
    latest: dict[int, tuple[Detection, list[Detection]]] = {}
    before: set[tuple[int, int]] = set()
    for frame in frames:
        company = {(region.query, region.category) for region in frame}
        for region in frame:
            said = latest.get(region.query)
            if company == before and said and overlap(said[0].mask, region.mask) >= STILL:
                said[1].append(region)
            else:
                latest[region.query] = (region, [region])
                groups.append(latest[region.query])
        before = company
    return groups


@dataclass(frozen=True, slots=True)
class CaptionPlan:
    """The sentences needed for some windows: engine inputs, and the regions they apply to."""

    inputs: tuple[Float, Float, Float]
    """The caption engine's inputs: [n r c], [n c] and [n c]."""
    holders: list[tuple[int, list[Detection]]]
    """For each sentence, its window's number and the regions it applies to."""
    windows: int

    def assign(self, sentences: Iterable[str]) -> list[dict[tuple[int, int], str]]:
        """Return, for each window, the sentence of each region by frame and query."""
        said: list[dict[tuple[int, int], str]] = [{} for _ in range(self.windows)]
        for (window, regions), sentence in zip(self.holders, sentences, strict=True):
            said[window] |= {(region.frame, region.query): sentence for region in regions}
        return said


def plan_captions(windows: Sequence[tuple[Segmentation, list[list[Detection]]]]) -> CaptionPlan:
    """Return the caption inputs for the windows' regions, and which region gets which sentence."""
    inputs: list[tuple[Float, Float, Float]] = []
    holders: list[tuple[int, list[Detection]]] = []
    for number, (window, frames) in enumerate(windows):
        groups = to_describe(frames)
        at = np.array([first.frame for first, _ in groups], dtype=np.intp)
        queries = np.array([first.query for first, _ in groups], dtype=np.intp)
        inputs.append(
            (window.region_tokens[at, queries], window.scene_prompt[at], window.source_prompt[at])
        )
        holders += [(number, regions) for _, regions in groups]
    tokens, scene, source = (np.concatenate(column) for column in zip(*inputs, strict=True))
    return CaptionPlan((tokens, scene, source), holders, len(windows))
