"""The losses: each tells a good answer from a bad one, and matching keeps a source to one query."""

from __future__ import annotations

import pytest
import torch

from ssuformer.model.segmentation import QueryAnswer
from training.batch import Batch
from training.losses import (
    dice_loss,
    find_matches,
    focal_loss,
    least_sounding,
    masks_apart,
    queries_apart,
)
from training.matching import match


def test_matching_gives_each_source_the_query_that_covers_it() -> None:
    truth = torch.zeros(2, 3, 8)
    truth[0, :, :4] = 1.0
    truth[1, :, 4:] = 1.0
    masks = torch.full((3, 3, 8), -8.0)
    masks[:, 2, :4] = 8.0
    masks[:, 1, 4:] = 8.0
    sounding = torch.tensor([-8.0, 8.0, 8.0]).expand(3, 3)

    queries, sources = match(
        masks, sounding, torch.zeros(3, 3, 5), truth, torch.ones(2, 3), torch.tensor([0, 1])
    )

    assert dict(zip(sources, queries, strict=True)) == {0: 2, 1: 1}


def test_among_equal_queries_a_category_goes_home() -> None:
    truth = torch.ones(1, 2, 4)

    queries, _ = match(
        torch.zeros(2, 3, 4), torch.zeros(2, 3), torch.zeros(2, 3, 9), truth,
        torch.ones(1, 2), torch.tensor([7]),
    )  # fmt: skip

    assert queries == [7 % 3]


def test_a_source_that_never_sounds_is_not_matched() -> None:
    answer = QueryAnswer(torch.zeros(1, 2, 3, 4, 4), torch.zeros(1, 2, 3), torch.zeros(1, 2, 3, 5))
    batch = Batch(
        frames=torch.zeros(1, 2, 16, 16, 3, dtype=torch.uint8),
        waveform=torch.zeros(1, 2, 16000),
        masks=torch.ones(1, 2, 2, 4, 4),
        sounding=torch.tensor([[[0.0, 0.0], [0.0, 1.0]]]),
        categories=torch.tensor([[1, 2]]),
        heard=torch.zeros(1, 2, 5),
        present=torch.tensor([[True, True]]),
        labels=torch.zeros(1, 2, 2, 2, dtype=torch.int64),
        tokens=torch.zeros(1, 2, 2, 6, dtype=torch.int64),
    )

    matches = find_matches(answer, batch)

    assert matches.source.tolist() == [1]


def test_dice_is_nothing_for_the_truth_and_nearly_one_for_its_opposite() -> None:
    truth = torch.zeros(1, 20, 20)
    truth[:, :10] = 1.0

    assert dice_loss(truth, truth).item() == 0.0
    assert dice_loss(1 - truth, truth).item() > 0.99


def test_aqdl_counts_only_sounding_queries_that_are_near() -> None:
    queries = torch.stack([torch.zeros(4), torch.full((4,), 0.5), torch.full((4,), 9.0)])[None]
    sounding = torch.tensor([[0.9, 0.9, 0.9]])

    loss = queries_apart(queries, sounding)

    assert loss.item() == torch.tensor(2 / (3 * 4) * (1 / 0.25)).item()
    assert queries_apart(queries, torch.tensor([[0.9, 0.1, 0.9]])).item() == 0.0


def test_aqml_is_the_overlap_of_sounding_masks() -> None:
    masks = torch.zeros(1, 2, 2, 2)
    masks[0, 0, 0] = 1.0
    masks[0, 1, :, 0] = 0.8

    loss = masks_apart(masks, torch.tensor([[0.9, 0.9]]))

    expected = 2 / (2 * 3) * (0.8 + 1.0) / (2 * 4)
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_the_threshold_of_transavs_grows_from_055_to_065_in_eighteen_steps() -> None:
    steps = 90_000

    thresholds = [least_sounding(step / steps) for step in (0, 4_999, 5_000, 45_000, steps)]

    assert thresholds == pytest.approx([0.55, 0.55, 0.55 + 0.1 / 18, 0.6, 0.65])


def test_the_focal_loss_hardly_counts_what_is_known_and_is_cross_entropy_at_zero() -> None:
    logits, truth = torch.tensor([4.0, -4.0, 4.0]), torch.tensor([1.0, 0.0, 0.0])

    plain, focal = focal_loss(logits, truth, 0.0), focal_loss(logits, truth, 2.0)

    p = (torch.tensor([4.0, 4.0, -4.0])).sigmoid()
    torch.testing.assert_close(plain, -p.log().mean())
    torch.testing.assert_close(focal, (-((1 - p) ** 2) * p.log()).mean())
