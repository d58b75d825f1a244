import io

import numpy as np

from tests.service.formats.made import BARKS, DOG, LARK, MASKS, SINGS, made, written


def test_numpy_reads_the_arrays_without_pickles() -> None:
    with np.load(io.BytesIO(written("npz")), allow_pickle=False) as arrays:
        assert arrays["times"].tolist() == [0.5, 1.5, 2.5, 3.5]
        assert arrays["frame"].tolist() == [0, 1, 1, 3]
        assert arrays["track"].tolist() == [1, 1, 2, 2]
        assert arrays["category"].tolist() == [DOG, DOG, LARK, LARK]
        assert arrays["description"].tolist() == [BARKS, BARKS, SINGS, SINGS]
        assert arrays["score"].dtype == np.float32
        masks, boxes = arrays["masks"], arrays["bbox"]
    assert (masks.dtype, masks.shape) == (np.bool_, (4, 48, 64))
    for mask, track, box in zip(masks, (1, 1, 2, 2), boxes, strict=True):
        np.testing.assert_array_equal(mask, MASKS[track])
        assert mask[int(box[1])].any()


def test_an_answer_without_regions_has_empty_arrays() -> None:
    with np.load(io.BytesIO(written("npz", made(shown=((),))))) as arrays:
        assert arrays["masks"].shape == (0, 48, 64)
        assert arrays["bbox"].shape == (0, 4)
