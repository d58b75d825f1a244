"""Read as CVAT's importer reads it (`CVAT for video 1.1`, `load` of its `formats/cvat.py`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.etree import ElementTree

import numpy as np
import pytest

from service.understanding.schemas import Understanding
from ssuformer.outlines import fill
from tests.service.formats.made import (
    BARKS,
    DOG,
    SIZE,
    made,
    part_of,
    ring,
    smoothed,
    spot,
    written,
)


@dataclass
class Shape:
    """A shape of a track, as the importer makes it."""

    kind: str
    frame: int
    outside: bool
    keyframe: bool
    occluded: bool
    points: list[float]
    attributes: Mapping[str, str]


@dataclass
class Track:
    label: str
    group: int
    shapes: list[Shape] = field(default_factory=list)


def tracks_in(content: bytes) -> list[Track]:
    found = []
    for one in ElementTree.fromstring(content).iter("track"):
        track = Track(one.attrib["label"], int(one.attrib.get("group_id", 0)))
        track.shapes = [_shape(shape) for shape in one]
        found.append(track)
    return found


def _shape(element: ElementTree.Element) -> Shape:
    place = element.attrib
    if element.tag == "box":
        points = [float(place[side]) for side in ("xtl", "ytl", "xbr", "ybr")]
    else:
        pairs = place["points"].split(";")
        points = [float(value) for pair in pairs for value in pair.split(",")]
    said = {one.attrib["name"]: one.text or "" for one in element.iter("attribute")}
    flags = (place["outside"] == "1", place["keyframe"] == "1", place["occluded"] == "1")
    return Shape(element.tag, int(place["frame"]), *flags, points, said)


def test_each_source_is_a_track_that_ends_where_it_falls_silent() -> None:
    dog, lark = tracks_in(written("cvat"))

    assert (dog.label, dog.group, lark.label) == (DOG, 1, "lark")
    assert [(one.frame, one.outside) for one in dog.shapes] == [
        (0, False), (5, False), (15, False), (20, True)
    ]  # fmt: skip
    assert [(one.frame, one.outside) for one in lark.shapes] == [
        (10, False), (15, False), (20, True), (30, False), (35, False)
    ]  # fmt: skip
    assert all(one.keyframe and not one.occluded for one in dog.shapes)
    assert dog.shapes[0].attributes == {"sentence": BARKS}


def test_no_frame_has_two_shapes_of_a_track_and_none_is_after_the_last() -> None:
    root = ElementTree.fromstring(written("cvat"))

    last = int(root.findtext("meta/task/stop_frame") or 0)
    assert (last, root.findtext("meta/task/size")) == (39, "40")
    for track in tracks_in(written("cvat")):
        frames = [shape.frame for shape in track.shapes]
        assert frames == sorted(set(frames))
        assert frames[-1] <= last


@pytest.mark.parametrize("parts", [1, 5, 10])
def test_nothing_is_outside_the_part_that_was_asked_for(parts: int) -> None:
    answer = part_of(made(shown=[(1,)] * 4), 1, 2.7)

    (dog,) = tracks_in(written("cvat", smoothed(answer, parts=parts)))

    assert (dog.shapes[0].frame, dog.shapes[0].outside) == (10, False)
    assert dog.shapes[-1].outside
    assert 26 <= dog.shapes[-1].frame <= 27


def test_a_shape_is_the_largest_part_of_the_mask_without_its_holes() -> None:
    dog, lark = tracks_in(written("cvat"))
    whole = ring()
    whole[16:24, 20:30] = True
    whole[:5, 58:] = False

    corners = [[round(value) for value in dog.shapes[0].points]]
    np.testing.assert_array_equal(fill(corners, SIZE), whole)
    corners = [[round(value) for value in lark.shapes[0].points]]
    np.testing.assert_array_equal(fill(corners, SIZE), spot())


def test_the_task_states_labels_with_the_sentence_and_the_size_of_the_film() -> None:
    root = ElementTree.fromstring(written("cvat"))

    labels = root.findall("meta/task/labels/label")
    assert root.findtext("version") == "1.1"
    assert [one.findtext("name") for one in labels] == [DOG, "lark"]
    assert [one.findtext("attributes/attribute/mutable") for one in labels] == ["True", "True"]
    assert root.findtext("meta/task/original_size/width") == "64"


def test_without_masks_the_shapes_are_boxes() -> None:
    answer: Understanding = made(form="none")

    dog, _ = tracks_in(written("cvat", answer))

    assert {one.kind for one in dog.shapes} == {"box"}
    assert dog.shapes[0].points == [10, 2, 63, 40]
