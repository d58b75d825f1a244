"""Read as CVAT's importer reads masks (`load_anno` of its `formats/cvat.py`)."""

from xml.etree import ElementTree

import numpy as np
import pytest

from service.formats.as_cvat_masks import _runs
from ssuformer.masks import Mask
from tests.service.formats.made import BARKS, DOG, SIZE, made, ring, spot, written


def mask_in(shape: ElementTree.Element, size: tuple[int, int] = SIZE) -> Mask:
    """Return a mask as CVAT fills it: run by run in its box, row by row, background first."""
    place = {name: int(shape.attrib[name]) for name in ("left", "top", "width", "height")}
    box, at, value = np.zeros(place["width"] * place["height"], bool), 0, False
    for count in map(int, shape.attrib["rle"].split(",")):
        box[at : at + count] = value
        at, value = at + count, not value
    assert at == box.size
    mask = np.zeros(size, bool)
    rows = slice(place["top"], place["top"] + place["height"])
    columns = slice(place["left"], place["left"] + place["width"])
    mask[rows, columns] = box.reshape(place["height"], place["width"])
    return mask


@pytest.mark.parametrize("form", ["rle", "polygon", "png"])
def test_masks_come_back_with_their_holes_and_all_their_parts(form: str) -> None:
    root = ElementTree.fromstring(written("cvat-masks", made(form=form)))  # type: ignore[arg-type]
    shown = [track[0] for track in root.iter("track")]

    np.testing.assert_array_equal(mask_in(shown[0]), ring())
    np.testing.assert_array_equal(mask_in(shown[2]), spot())
    assert [int(one.attrib["frame"]) for one in shown] == [5, 15, 15, 35]


def test_a_mask_is_in_its_frame_only_and_grouped_with_those_of_its_source() -> None:
    root = ElementTree.fromstring(written("cvat-masks"))
    tracks = list(root.iter("track"))

    assert [(one.attrib["label"], one.attrib["group_id"]) for one in tracks] == [
        (DOG, "1"), (DOG, "1"), ("lark", "2"), ("lark", "2")
    ]  # fmt: skip
    assert len({one.attrib["id"] for one in tracks}) == 4
    for track in tracks:
        first, after = track
        assert int(after.attrib["frame"]) == int(first.attrib["frame"]) + 1
        assert (first.attrib["outside"], after.attrib["outside"]) == ("0", "1")
    assert tracks[0][0].findtext("attribute") == BARKS


def test_masks_of_another_size_are_stretched_to_the_film() -> None:
    content = written("cvat-masks", made(size=(SIZE[0] * 2, SIZE[1] * 2)))

    first = next(ElementTree.fromstring(content).iter("mask"))
    np.testing.assert_array_equal(mask_in(first), ring())


def test_runs_begin_with_background() -> None:
    assert _runs(np.array([[True, True], [False, True]])) == [0, 2, 1, 1]
    assert _runs(np.array([[False, True], [True, False]])) == [1, 2, 1]
    assert _runs(np.array([[True]])) == [0, 1]
