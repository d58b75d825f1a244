import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from training.metrics.instances import InstanceAccumulator, InstanceScores, average_precision
from training.metrics.regions import PredictedRegion, TrueRegion

Frames = Sequence[tuple[list[PredictedRegion], list[TrueRegion]]]
CATEGORIES = ("cat", "dog", "drum")


def columns(first: int, last: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros((10, 20), dtype=np.bool_)
    mask[:, first:last] = True
    return mask


def measured(frames: Frames) -> InstanceScores:
    accumulator = InstanceAccumulator()
    for regions, truths in frames:
        accumulator.add(regions, truths)
    return accumulator.scores()


def random_frames(seed: int) -> Frames:
    rng = np.random.default_rng(seed)

    def mask() -> npt.NDArray[np.bool_]:
        first = int(rng.integers(0, 12))
        return columns(first, first + int(rng.integers(3, 8)))

    def category() -> str:
        return str(rng.choice(CATEGORIES))

    frames = []
    for _ in range(12):
        truths = [TrueRegion(mask(), category()) for _ in range(rng.integers(0, 3))]
        near = [
            PredictedRegion(np.roll(true.mask, 1, axis=1), rng.random(), true.category)
            for true in truths
        ]
        stray = [
            PredictedRegion(mask(), rng.random(), category()) for _ in range(rng.integers(0, 3))
        ]
        frames.append((near + stray, truths))
    return frames


def coco_average_precisions(frames: Frames) -> tuple[float, float]:
    """AP and AP50 as pycocotools computes them."""

    def encoded(mask: npt.NDArray[np.bool_]) -> dict[str, object]:
        return dict(rle.encode(np.asfortranarray(mask.astype(np.uint8))))

    truths: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for frame, (regions, sources) in enumerate(frames):
        for source in sources:
            where = {"image_id": frame, "category_id": CATEGORIES.index(source.category)}
            area = int(source.mask.sum())
            truths.append(
                {**where, "id": len(truths) + 1, "segmentation": encoded(source.mask)}
                | {"area": area, "iscrowd": 0, "bbox": [0, 0, 1, 1]}
            )
        for region in regions:
            where = {"image_id": frame, "category_id": CATEGORIES.index(region.category)}
            found.append({**where, "segmentation": encoded(region.mask), "score": region.score})
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": i, "height": 10, "width": 20} for i in range(len(frames))],
        "annotations": truths,
        "categories": [{"id": i, "name": name} for i, name in enumerate(CATEGORIES)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(found), "segm")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_coco(seed: int) -> None:
    frames = random_frames(seed)

    scores = measured(frames)

    assert (scores.ap, scores.ap50) == pytest.approx(coco_average_precisions(frames))


def test_a_perfect_prediction_scores_one() -> None:
    truths = [TrueRegion(columns(0, 5), "dog"), TrueRegion(columns(8, 12), "cat")]
    regions = [PredictedRegion(truth.mask, 0.9, truth.category) for truth in truths]

    scores = measured([(regions, truths)])

    assert (scores.ap50, scores.ap, scores.j) == (1.0, 1.0, 1.0)
    assert scores.j_by_category == {"cat": 1.0, "dog": 1.0}


def test_an_empty_prediction_scores_zero() -> None:
    scores = measured([([], [TrueRegion(columns(0, 5), "dog")])])

    assert (scores.ap50, scores.ap, scores.j) == (0.0, 0.0, 0.0)


def test_the_right_mask_under_the_wrong_category_is_worth_nothing() -> None:
    scores = measured(
        [([PredictedRegion(columns(0, 5), 0.9, "cat")], [TrueRegion(columns(0, 5), "dog")])]
    )

    assert (scores.ap50, scores.j) == (0.0, 0.0)
    assert scores.ap50_by_category == {"dog": 0.0}


def test_j_counts_a_missed_source_as_zero() -> None:
    truths = [TrueRegion(columns(0, 4), "dog"), TrueRegion(columns(10, 14), "dog")]

    scores = measured([([PredictedRegion(columns(0, 2), 0.9, "dog")], truths)])

    assert scores.j == pytest.approx(0.25)


def test_a_second_region_on_the_same_source_is_a_false_alarm() -> None:
    twice = [PredictedRegion(columns(0, 5), 0.9, "dog"), PredictedRegion(columns(0, 5), 0.8, "dog")]
    frames = [
        (twice, [TrueRegion(columns(0, 5), "dog")]),
        ([PredictedRegion(columns(0, 5), 0.1, "dog")], [TrueRegion(columns(0, 5), "dog")]),
    ]

    scores = measured(frames)

    assert scores.ap50 == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_average_precision_of_no_detection_is_zero() -> None:
    assert average_precision(np.zeros(0), np.zeros(0, dtype=np.bool_), true=3) == 0.0


def test_scores_of_nothing_are_zero() -> None:
    scores = measured([])

    assert (scores.ap50, scores.ap, scores.j) == (0.0, 0.0, 0.0)
