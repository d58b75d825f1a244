import numpy as np
import pytest
from pycocotools import mask as coco

from tests.service.formats.made import DOG, LARK, MASKS, loaded, written

# pycocotools 2.0.11 does not know numpy 2's `copy`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_each_track_has_a_mask_or_null_for_every_frame() -> None:
    document = loaded(written("youtube-vis"))

    (video,) = document["videos"]
    dog, lark = document["annotations"]
    names = {one["id"]: one["name"] for one in document["categories"]}
    assert video["length"] == len(video["file_names"]) == 4
    assert [names[dog["category_id"]], names[lark["category_id"]]] == [DOG, LARK]
    assert [mask is not None for mask in dog["segmentations"]] == [True, True, False, False]
    assert [mask is not None for mask in lark["segmentations"]] == [False, True, False, True]
    for each in ("bboxes", "areas", "scores", "captions"):
        assert [value is None for value in dog[each]] == [False, False, True, True]


def test_pycocotools_decodes_the_masks() -> None:
    for one in loaded(written("youtube-vis"))["annotations"]:
        found = [coco.decode(mask).astype(bool) for mask in one["segmentations"] if mask]
        assert len(found) == 2
        for mask, area in zip(found, [area for area in one["areas"] if area], strict=True):
            np.testing.assert_array_equal(mask, MASKS[one["id"]])
            assert area == mask.sum()
