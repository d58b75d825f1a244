import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco

from ssuformer import masks
from ssuformer.masks import Mask


def blob(seed: int, height: int = 37, width: int = 53) -> Mask:
    rng = np.random.default_rng(seed)
    return rng.random((height, width)) < rng.uniform(0.2, 0.8)


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_comes_back_from_run_lengths_unchanged(seed: int) -> None:
    mask = blob(seed)

    rle = masks.encode_rle(mask)

    assert rle["size"] == [37, 53]
    np.testing.assert_array_equal(masks.decode_rle(rle), mask)


@pytest.mark.parametrize("mask", [blob(0), np.zeros((4, 5), bool), np.ones((4, 5), bool)])
def test_plain_run_lengths_mean_the_same_to_coco(mask: Mask) -> None:
    plain = masks.encode_uncompressed_rle(mask)

    compressed = coco.frPyObjects(plain, *plain["size"])

    assert compressed["counts"].decode() == masks.encode_rle(mask)["counts"]
    assert sum(plain["counts"]) == mask.size


def test_a_png_holds_the_mask_pixel_for_pixel() -> None:
    mask = blob(3)

    picture = Image.open(io.BytesIO(base64.b64decode(masks.encode_png(mask))))

    np.testing.assert_array_equal(np.asarray(picture).astype(bool), mask)


def test_an_empty_mask_has_no_box_and_no_overlap() -> None:
    mask = np.zeros((5, 6), bool)

    box, overlap = masks.bounding_box(mask), masks.overlap(mask, mask)

    assert (box, overlap) == ((0, 0, 0, 0), 0.0)


def test_the_bounding_box_is_tight() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:9, 7:19] = True

    assert masks.bounding_box(mask) == (7, 4, 12, 5)


def test_overlap_is_intersection_over_union() -> None:
    one, other = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[:, :3] = other[:, 1:] = True

    assert masks.overlap(one, other) == pytest.approx(0.5)


def bilinear(values: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Bilinear stretch without any short cut, to compare with."""
    rows = np.clip((np.arange(size[0]) + 0.5) * values.shape[0] / size[0] - 0.5, 0, None)
    columns = np.clip((np.arange(size[1]) + 0.5) * values.shape[1] / size[1] - 0.5, 0, None)
    tall = np.stack([np.interp(rows, np.arange(values.shape[0]), c) for c in values.T], 1)
    return np.stack([np.interp(columns, np.arange(values.shape[1]), r) for r in tall])


@pytest.mark.parametrize("size", [(224, 224), (97, 301), (56, 56), (20, 31)])
@pytest.mark.parametrize("seed", range(3))
def test_enlarging_is_a_bilinear_stretch_then_the_threshold(
    size: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = np.zeros((56, 56), np.float32)
    y, x = rng.integers(0, 40, 2)
    values[y : y + 16, x : x + 16] = rng.random((16, 16))

    mask = masks.enlarge(values, size=size, threshold=0.5)

    expected = bilinear(values.astype(np.float64), size)
    unsure = np.abs(expected - 0.5) < 1e-5
    np.testing.assert_array_equal(mask[~unsure], (expected > 0.5)[~unsure])


def test_enlarging_nothing_gives_nothing() -> None:
    mask = masks.enlarge(np.full((56, 56), 0.2, np.float32), size=(720, 1280), threshold=0.5)

    assert not mask.any()
