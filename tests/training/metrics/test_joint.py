import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.metrics.joint import JointAccumulator


def test_mask_and_fact_must_both_be_right() -> None:
    accumulator = JointAccumulator()

    accumulator.add([True, False], regions=4, source_frames=2)
    accumulator.add([True], regions=1, source_frames=3)

    scores = accumulator.scores()
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((2 / 5, 2 / 5, 2 / 5))
    assert (scores.fact_accuracy, scores.region_recall) == (2 / 3, 3 / 5)


def test_scores_of_nothing_are_zero() -> None:
    scores = JointAccumulator().scores()

    assert (scores.precision, scores.recall, scores.f1, scores.fact_accuracy) == (0, 0, 0, 0)


@settings(max_examples=50, deadline=None)
@given(
    named_right=st.lists(st.booleans(), max_size=4),
    stray=st.integers(0, 3),
    missed=st.integers(0, 3),
)
def test_f1_lies_between_precision_and_recall(
    named_right: list[bool], stray: int, missed: int
) -> None:
    accumulator = JointAccumulator()
    accumulator.add(
        named_right, regions=len(named_right) + stray, source_frames=len(named_right) + missed
    )

    scores = accumulator.scores()

    low, high = sorted((scores.precision, scores.recall))
    assert low - 1e-12 <= scores.f1 <= high + 1e-12
    assert scores.recall <= scores.region_recall
