import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from tests.service.formats.made import DOG, LARK, MASKS, made, written

# pycocotools 2.0.11 does not know numpy 2's `copy`.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def coco(tmp_path: Path) -> COCO:
    path = tmp_path / "instances.json"
    path.write_bytes(written("coco"))
    return COCO(path)


def test_pycocotools_reads_an_image_per_frame(coco: COCO) -> None:
    images = coco.loadImgs(coco.getImgIds())

    assert [(image["width"], image["height"]) for image in images] == [(64, 48)] * 4
    assert [image["time"] for image in images] == [0.5, 1.5, 2.5, 3.5]
    assert [len(coco.getAnnIds(imgIds=[image["id"]])) for image in images] == [1, 2, 0, 1]


def test_pycocotools_decodes_every_mask_box_and_area(coco: COCO) -> None:
    for one in coco.loadAnns(coco.getAnnIds()):
        mask = MASKS[one["track_id"]]
        np.testing.assert_array_equal(coco.annToMask(one), mask)
        assert one["area"] == mask.sum()
        x, y, width, height = one["bbox"]
        assert mask[int(y) : int(y + height), int(x) : int(x + width)].sum() == mask.sum()


def test_categories_are_numbered_by_name(coco: COCO) -> None:
    assert [one["name"] for one in coco.loadCats(coco.getCatIds())] == [DOG, LARK]
    assert len(coco.getAnnIds(catIds=coco.getCatIds(catNms=[LARK]))) == 2


def test_an_answer_without_masks_has_boxes_only() -> None:
    document = json.loads(written("coco", made(form="none")))

    assert all("segmentation" not in one for one in document["annotations"])
    assert all(len(one["bbox"]) == 4 for one in document["annotations"])
