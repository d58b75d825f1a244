from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.metrics.masks import (
    THRESHOLDS,
    MaskAccumulator,
    MaskScores,
    Protocol,
    f_curves,
    frame_ious,
)

Array = npt.NDArray[Any]
SHAPE = (5, 8, 8)


def sigmoid(logits: Array) -> Array:
    return np.asarray(torch.sigmoid(torch.from_numpy(logits)).numpy())


def full(value: float) -> npt.NDArray[np.float32]:
    return np.full(SHAPE, value, dtype=np.float32)


def rows(count: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros(SHAPE, dtype=np.bool_)
    mask[:, :count] = True
    return mask


def measured(*videos: tuple[Array, Array], protocol: Protocol = "frames") -> MaskScores:
    accumulator = MaskAccumulator(protocol)
    for probabilities, truth in videos:
        accumulator.add(probabilities, truth)
    return accumulator.scores()


def naive_f_curves(probabilities: Array, truth: Array) -> Array:
    """The definition: 255 comparisons per frame."""
    curves = []
    for frame, true in zip(probabilities, truth, strict=True):
        curve = []
        for threshold in THRESHOLDS:
            passed = frame >= threshold
            hits = float((passed & true).sum())
            precision = hits / (float(passed.sum()) + 1e-20)
            recall = hits / (float(true.sum()) + 1e-20)
            bottom = 0.3 * precision + recall
            curve.append(1.3 * precision * recall / bottom if bottom else 0.0)
        curves.append(curve)
    return np.array(curves).reshape(len(truth), len(THRESHOLDS))


def one_right_frame_then_an_empty_one_with_a_quarter_of_false_alarm() -> tuple[Array, Array]:
    logits = full(-5)
    logits[0, :4] = 5
    logits[1, :2] = 5
    truth = rows(0)
    truth[0, :4] = True
    return logits, truth


half_found = np.where(rows(2), np.float32(5), np.float32(-5))
mixed = one_right_frame_then_an_empty_one_with_a_quarter_of_false_alarm()
PINNED = {
    "everything, rightly": (full(5), rows(8), 1.0, 1.0),
    "nothing, wrongly": (full(-5), rows(8), 0.0, 1.0),
    "nothing, rightly": (full(-5), rows(0), 1.0, 0.0),
    "everything, wrongly": (full(5), rows(0), 0.0, 0.0),
    "half of it": (half_found, rows(4), 0.5, 0.8125),
    "one frame of five sounds": (*mixed, 0.95, 1.0),
}


@pytest.mark.parametrize(("logits", "truth", "j", "f"), PINNED.values(), ids=PINNED.keys())
def test_the_avsbench_protocol_reproduces_the_reference(
    logits: Array, truth: Array, j: float, f: float
) -> None:
    scores = measured((sigmoid(logits), truth), protocol="avsbench")

    assert (scores.j, scores.f) == pytest.approx((j, f), abs=1e-7)


def published_j(logits: torch.Tensor, truth: torch.Tensor) -> float:
    """AVSBench's IoU of one video, from its definition: in torch, in float32."""
    said = (logits.sigmoid() > 0.5).float()
    right = torch.where(
        (truth.sum(dim=(1, 2)) == 0)[:, None, None], (1 - said) * (1 - truth), said * truth
    ).sum(dim=(1, 2))
    either = torch.maximum(said, truth).sum(dim=(1, 2))
    either[truth.sum(dim=(1, 2)) == 0] = truth[0].numel()
    return float((right / (either + 1e-7)).mean())


def published_f(logits: torch.Tensor, truth: torch.Tensor) -> float:
    """AVSBench's F of one video, from its definition."""
    curves = []
    for said, true in zip(logits.sigmoid(), truth, strict=True):
        if not true.any():
            continue
        passed = (said >= torch.linspace(0, 1 - 1e-10, 255)[:, None, None]).float()
        hits = (passed * true).sum(dim=(1, 2))
        precision = hits / (passed.sum(dim=(1, 2)) + 1e-20)
        recall = hits / (true.sum() + 1e-20)
        curves.append((1.3 * precision * recall / (0.3 * precision + recall)).nan_to_num(0.0))
    return float(torch.stack(curves).mean(dim=0).max()) if curves else 0.0


@pytest.mark.parametrize("seed", range(8))
def test_the_avsbench_protocol_equals_the_published_formulas_on_random_masks(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(4, 5, 28, 28, generator=generator)
    truth = (torch.rand(4, 5, 28, 28, generator=generator) < 0.3).float()
    truth[torch.rand(4, 5, generator=generator) < 0.3] = 0.0
    truth[3] = 0.0

    scores = measured(
        *((sigmoid(x.numpy()), y.bool().numpy()) for x, y in zip(logits, truth, strict=True)),
        protocol="avsbench",
    )

    j = np.mean([published_j(x, y) for x, y in zip(logits, truth, strict=True)])
    f = np.mean([published_f(x, y) for x, y in zip(logits, truth, strict=True)])
    assert (scores.j, scores.f) == pytest.approx((j, f), abs=1e-6)


def test_the_avsbench_protocol_counts_a_silent_video_where_ours_does_not() -> None:
    videos = [(sigmoid(full(5)), rows(8)), (sigmoid(full(-5)), rows(0))]

    theirs, ours = measured(*videos, protocol="avsbench"), measured(*videos)

    assert (theirs.j, theirs.f) == pytest.approx((1.0, 0.5))
    assert (ours.j, ours.f) == (1.0, 1.0)


def test_the_thresholds_are_those_of_the_reference_to_the_bit() -> None:
    reference = torch.linspace(0, 1 - 1e-10, 255).numpy()

    np.testing.assert_array_equal(THRESHOLDS, reference)


@settings(max_examples=20, deadline=None)
@given(
    probabilities=arrays(
        np.float32,
        (3, 4, 5),
        elements=st.one_of(st.floats(0, 1, width=32), st.sampled_from(list(THRESHOLDS))),
    ),
    truth=arrays(np.bool_, (3, 4, 5)),
)
def test_the_histogram_gives_the_curves_of_255_comparisons(
    probabilities: npt.NDArray[np.float32], truth: npt.NDArray[np.bool_]
) -> None:
    np.testing.assert_allclose(
        f_curves(probabilities, truth), naive_f_curves(probabilities, truth), rtol=1e-12
    )


@settings(max_examples=50, deadline=None)
@given(
    probabilities=arrays(np.float32, (2, 3, 3), elements=st.floats(0, 1, width=32)),
    truth=arrays(np.bool_, (2, 3, 3)),
    protocol=st.sampled_from(["frames", "avsbench"]),
)
def test_every_score_lies_between_0_and_1(
    probabilities: Array, truth: Array, protocol: Protocol
) -> None:
    scores = measured((probabilities, truth), protocol=protocol)

    assert 0 <= scores.j <= 1
    assert 0 <= scores.f <= 1 + 1e-12
    assert 0 <= scores.false_alarm_area <= 1
    assert scores.sounding_frames + scores.silent_frames == 2


@settings(max_examples=50, deadline=None)
@given(predicted=arrays(np.bool_, (2, 3, 3)), truth=arrays(np.bool_, (2, 3, 3)))
def test_iou_does_not_care_which_mask_is_the_truth(
    predicted: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]
) -> None:
    np.testing.assert_array_equal(frame_ious(predicted, truth), frame_ious(truth, predicted))


def test_a_perfect_prediction_scores_one_and_raises_no_false_alarm() -> None:
    truth = rows(3)
    truth[2:] = False

    scores = measured((truth, truth))

    assert (scores.j, scores.f, scores.f_dataset) == pytest.approx((1.0, 1.0, 1.0))
    assert scores.false_alarm_area == 0.0
    assert (scores.videos, scores.sounding_frames, scores.silent_frames) == (1, 2, 3)


def test_an_empty_prediction_has_no_j_and_the_f_of_predicting_everything() -> None:
    scores = measured((full(0), rows(4)))

    assert scores.j == 0.0
    assert scores.f == pytest.approx(1.3 * 0.5 / (0.3 * 0.5 + 1))


def test_j_weighs_frames_alike_whatever_video_they_are_from() -> None:
    long_and_right = (sigmoid(full(5)), rows(8))
    short_and_wrong = (sigmoid(full(-5))[:1], rows(8)[:1])

    assert measured(long_and_right, short_and_wrong).j == pytest.approx(5 / 6)


def test_f_of_a_data_set_has_one_threshold_where_f_of_videos_has_one_each() -> None:
    sure = (np.where(rows(2), 0.9, 0.6), rows(2))
    shy = (np.where(rows(2), 0.4, 0.1), rows(2))

    scores = measured(sure, shy)

    assert scores.f == pytest.approx(1.0)
    assert scores.f_dataset < 0.9


def test_false_alarm_area_is_the_share_of_pixels_predicted_in_silent_frames() -> None:
    probabilities, truth = sigmoid(mixed[0]), mixed[1]

    scores = measured((probabilities, truth))

    assert scores.false_alarm_area == pytest.approx(0.25 / 4)
    assert scores.silent_frames == 4


def test_a_pixel_at_exactly_one_half_is_not_predicted() -> None:
    assert measured((full(0.5), rows(8))).j == 0.0


def test_scores_of_nothing_are_zero() -> None:
    scores = measured()

    assert (scores.j, scores.f, scores.f_dataset, scores.false_alarm_area) == (0, 0, 0, 0)


@pytest.mark.parametrize("bad", [-5.0, 5.0, float("nan")])
def test_what_is_no_probability_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"probabilities must be 0\.\.1"):
        measured((full(bad), rows(4)))


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must both be \[t h w\]"):
        measured((full(0.5)[:3], rows(4)))
