import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.metrics.regions import (
    PredictedRegion,
    TrueRegion,
    match,
    pairwise_iou,
    ranked,
    true_regions,
)
from training.scene import Scene, Source


def square(top: int, size: int) -> npt.NDArray[np.bool_]:
    mask = np.zeros((8, 8), dtype=np.bool_)
    mask[top : top + size, :size] = True
    return mask


def test_true_regions_are_those_that_sound_and_can_be_seen() -> None:
    masks = np.stack([square(0, 4), square(0, 4), square(0, 0)])
    source = Source("dog", masks, np.array([True, False, True]), ("a dog barks", "", "a dog"))
    scene = Scene(np.zeros((3, 8, 8, 3), np.uint8), np.zeros((3, 16_000), np.float32), (source,))

    counts = [len(true_regions(scene, frame)) for frame in range(3)]

    assert counts == [1, 0, 0]
    assert true_regions(scene, 0)[0].sentence == "a dog barks"


def test_ranked_puts_the_surest_first_and_cuts_probabilities_at_one_half() -> None:
    shy = PredictedRegion(square(0, 4), 0.2, "dog")
    sure = PredictedRegion(np.array([[0.5, 0.6]], dtype=np.float32), 0.9, "cat")

    regions = ranked([shy, sure])

    assert [region.category for region in regions] == ["cat", "dog"]
    assert regions[0].mask.tolist() == [[False, True]]


def test_pairwise_iou_has_a_row_per_region_and_a_column_per_source() -> None:
    regions = [PredictedRegion(square(0, 4), 1.0, "dog"), PredictedRegion(square(4, 4), 1.0, "dog")]
    truths = [TrueRegion(square(0, 4), "dog"), TrueRegion(square(2, 4), "cat")]

    np.testing.assert_allclose(pairwise_iou(regions, truths), [[1, 1 / 3], [0, 1 / 3]])
    assert pairwise_iou([], truths).shape == (0, 2)


def test_match_gives_each_source_the_region_that_overlaps_it_most() -> None:
    ious = np.array([[0.6, 0.0], [0.9, 0.0], [0.0, 0.5]])

    assert match(ious, least=0.5) == [(1, 0), (2, 1)]


def test_match_leaves_out_what_overlaps_too_little_or_not_at_all() -> None:
    assert match(np.array([[0.49]]), least=0.5) == []
    assert match(np.array([[0.0]]), least=0.0) == []
    assert match(np.zeros((0, 2)), least=0.5) == []


@settings(max_examples=50, deadline=None)
@given(ious=arrays(np.float64, (4, 3), elements=st.floats(0, 1)))
def test_match_uses_nothing_twice_and_leaves_no_pair_that_would_do(
    ious: npt.NDArray[np.float64],
) -> None:
    pairs = match(ious, least=0.5)

    rows, columns = [n for n, _ in pairs], [m for _, m in pairs]
    left = np.delete(np.delete(ious, rows, axis=0), columns, axis=1)
    assert len(set(rows)) == len(set(columns)) == len(pairs)
    assert all(ious[pair] >= 0.5 for pair in pairs)
    assert not (left >= 0.5).any()
