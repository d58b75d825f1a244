"""Scenes to look at: the worst and the best, with the truth, every run's answer, and its queries.

Axes: t frames, q queries, h w pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ssuformer.outlines import outlines
from ssuformer.regions import query_categories
from ssuformer.run_lengths import Mask
from training.evaluation import Exam, score
from training.metrics.regions import PredictedRegion, TrueRegion, ranked, true_regions
from training.report import figures
from training.report.findings import Findings, Regions, frame_scores
from training.report.inside import RoutedPredictor, query_maps
from training.scene import Scene

MOST_FRAMES = 6
MOST_QUERIES = 4


@dataclass(frozen=True, slots=True)
class Outlined:
    """Something in a frame: its outline as the path of an SVG, and what is said of it."""

    path: str
    category: str
    sentence: str
    score: float | None = None
    """The model's; None in the truth."""


@dataclass(frozen=True, slots=True)
class Looking:
    """Where a query looks: what it stands for, and a picture to lay over each frame."""

    query: int
    category: str
    sounds: float
    """Its highest probability to sound."""
    heat: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run says in the frames of a scene that are shown."""

    frames: Sequence[Sequence[Outlined]]
    scores: Sequence[float | None]
    """Of the frames; None where nothing sounds."""
    mean: float
    """Over all frames of the scene in which something sounds."""
    attention: Sequence[Looking] | None
    """Where its surest queries look; None if the family has no such queries."""


@dataclass(frozen=True, slots=True)
class ShownScene:
    """A scene of the page."""

    number: int
    size: tuple[int, int]
    """Height and width."""
    seconds: Sequence[int]
    """Where in the clip the frames are that are shown."""
    pictures: Sequence[str]
    truth: Sequence[Sequence[Outlined]]
    answers: Mapping[str, Answer]


def extremes(runs: Sequence[Findings], count: int) -> tuple[list[int], list[int]]:
    """Return the numbers of the worst and of the best scenes by the mean over runs, no scene twice.

    Scenes in which nothing sounds have no score and are left out.
    """
    means = {
        number: float(np.mean([np.mean(run.scenes[number]) for run in runs]))
        for number in runs[0].scenes
    }
    order = sorted(means, key=lambda number: (means[number], number))
    count = min(count, len(order))
    worst = order[: min(count, (len(order) + 1) // 2)]
    best = [number for number in reversed(order) if number not in worst][:count]
    return worst, best


def shown(
    number: int, runs: Mapping[str, tuple[RoutedPredictor, Exam]], categories: Sequence[str]
) -> ShownScene:
    """Return a scene with the answers of all runs, which know the same categories."""
    seen = {
        name: _answer(number, predictor, exam, categories)
        for name, (predictor, exam) in runs.items()
    }
    truth, known, _ = next(iter(seen.values()))
    frames = _spread(len(known))
    return ShownScene(
        number=number,
        size=(truth.frames.shape[1], truth.frames.shape[2]),
        seconds=[known[frame] for frame in frames],
        pictures=[figures.picture(truth.frames[frame]) for frame in frames],
        truth=[[_outlined(thing) for thing in true_regions(truth, frame)] for frame in frames],
        answers={name: answer for name, (_, _, answer) in seen.items()},
    )


class _One:
    """A single scene as a source."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def compose(self, index: int) -> Scene:
        """Return the scene, whatever the number."""
        del index
        return self._scene


def _answer(
    number: int, predictor: RoutedPredictor, exam: Exam, categories: Sequence[str]
) -> tuple[Scene, list[int], Answer]:
    """Return a scene's truth, the seconds in which it is known, and a run's answer, as scored."""
    seen: list[tuple[Scene, Regions, npt.NDArray[np.float32]]] = []
    scene = exam.scenes.compose(number)
    score(
        predictor, _One(scene), 1, exam.grammar, told=exam.told, categories=categories,
        watch=lambda _, truth, regions, union: seen.append((truth, regions, union)),
    )  # fmt: skip
    truth, regions, union = seen[0]
    known: list[int] = scene.frames_known().tolist()
    frames = _spread(len(known))
    scores = frame_scores(truth, regions, union, boxes="boxes" in exam.told)
    return truth, known, Answer(
        frames=[[_outlined(region) for region in ranked(regions[frame])] for frame in frames],
        scores=[scores.get(frame) for frame in frames],
        mean=float(np.mean(list(scores.values()))),
        attention=_attention(predictor, scene, [known[frame] for frame in frames], categories),
    )  # fmt: skip


def _spread(count: int) -> list[int]:
    """Return at most `MOST_FRAMES` of the numbers below `count`, evenly spread."""
    return sorted(
        set(np.linspace(0, count - 1, min(count, MOST_FRAMES)).round().astype(int).tolist())
    )


def _outlined(region: PredictedRegion | TrueRegion) -> Outlined:
    score = region.score if isinstance(region, PredictedRegion) else None
    return Outlined(_path(region.mask), region.category, region.sentence, score)


def _path(mask: Mask) -> str:
    return "".join(
        f"M{ring[0]} {ring[1]}L{' '.join(map(str, ring[2:]))}Z" for ring in outlines(mask)
    )


def _attention(
    predictor: RoutedPredictor, scene: Scene, frames: list[int], categories: Sequence[str]
) -> list[Looking] | None:
    maps = query_maps(predictor.model, scene)
    if maps is None:
        return None
    (found,) = predictor.segment(scene.frames[None], scene.waveform[None])
    sounding = found.sounding_probability.max(axis=0)
    surest = np.argsort(-sounding, kind="stable")[:MOST_QUERIES].tolist()
    named = query_categories(found)
    return [
        Looking(
            query=query,
            category=categories[named[query]],
            sounds=float(sounding[query]),
            heat=[figures.heat(maps[frame, query]) for frame in frames],
        )
        for query in surest
    ]
