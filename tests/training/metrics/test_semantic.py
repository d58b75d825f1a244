"""Semantic scores are worked out by hand on frames of four pixels."""

from __future__ import annotations

import numpy as np
import pytest

from training.metrics.regions import PredictedRegion, TrueRegion
from training.metrics.semantic import SemanticAccumulator

SIZE = (1, 4)


def pixels(*which: int) -> np.ndarray:
    return np.isin(np.arange(4), which)[None]


def score(
    regions: list[tuple[str, np.ndarray]], truths: list[tuple[str, np.ndarray]]
) -> tuple[float, float]:
    scores = SemanticAccumulator()
    scores.add(
        [PredictedRegion(mask, 1 - n / 10, name) for n, (name, mask) in enumerate(regions)],
        [TrueRegion(mask, name) for name, mask in truths],
        SIZE,
    )
    return scores.scores()


def test_an_answer_equal_to_the_truth_has_full_marks() -> None:
    frame = [("dog", pixels(0, 1)), ("cat", pixels(2))]

    assert score(frame, frame) == (1.0, 1.0)


def test_a_wrong_name_costs_both_categories() -> None:
    """Background is right; dog and cat each have an IoU of 0."""
    iou, _ = score([("dog", pixels(0, 1))], [("cat", pixels(0, 1))])

    assert iou == pytest.approx(1 / 3)


def test_precision_counts_more_than_recall() -> None:
    """Dog: precision 1, recall 1/2. Background: precision 1/2 (2 of 3), recall 1."""
    iou, f = score([("dog", pixels(0))], [("dog", pixels(0, 1))])

    dog = 1.3 * 0.5 / (0.3 + 0.5)
    background = 1.3 * (2 / 3) / (0.3 * 2 / 3 + 1)
    assert iou == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert f == pytest.approx((dog + background) / 2)


def test_the_region_with_the_highest_score_has_the_pixels_of_two() -> None:
    told = [("dog", pixels(0, 1)), ("cat", pixels(1, 2))]

    assert score(told, [("dog", pixels(0, 1)), ("cat", pixels(2))]) == (1.0, 1.0)


def test_a_category_is_averaged_over_the_frames_it_occurs_in() -> None:
    scores = SemanticAccumulator()
    dog = pixels(0, 1, 2, 3)

    scores.add([PredictedRegion(dog, 1.0, "dog")], [TrueRegion(dog, "dog")], SIZE)
    scores.add([], [], SIZE)
    scores.add([], [TrueRegion(dog, "dog")], SIZE)

    # dog: 1 and 0; background: 1, and 0 where the answer is empty but the frame is full.
    assert scores.scores()[0] == pytest.approx((1 / 2 + 1 / 2) / 2)


def test_no_frame_has_no_score() -> None:
    assert SemanticAccumulator().scores() == (0.0, 0.0)
