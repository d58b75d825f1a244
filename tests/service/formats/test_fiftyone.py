"""Read by the documented layout: FiftyOneVideoLabelsDataset, with ETA's VideoLabels."""

import base64
import io
import zlib
from typing import Any

import numpy as np

from tests.service.formats.made import BARKS, DOG, MASKS, loaded, made, unzipped, written


def frames_in(members: Any) -> dict[str, Any]:  # noqa: ANN401
    manifest = loaded(members["manifest.json"])
    (entry,) = manifest["index"]
    assert manifest["type"] == "eta.core.datasets.LabeledVideoDataset"
    return loaded(members[entry["labels"]])["frames"]


def unpacked(packed: str) -> np.ndarray[Any, Any]:
    """Return an array as ETA's `deserialize_numpy_array` does."""
    return np.load(io.BytesIO(zlib.decompress(base64.b64decode(packed))), allow_pickle=False)


def test_the_manifest_names_labels_and_clip() -> None:
    members = unzipped(written("fiftyone", clip=b"the clip"))

    (entry,) = loaded(members["manifest.json"])["index"]
    assert entry == {"data": "data/film.mp4", "labels": "labels/film.json"}
    assert members["data/film.mp4"] == b"the clip"
    assert "data/film.mp4" not in unzipped(written("fiftyone"))


def test_frames_count_from_one_and_hold_their_objects() -> None:
    frames = frames_in(unzipped(written("fiftyone")))

    assert list(frames) == ["6", "16", "26", "36"]
    assert all(number == str(frame["frame_number"]) for number, frame in frames.items())
    (dog,) = frames["6"]["objects"]["objects"]
    assert (dog["label"], dog["index"], dog["confidence"]) == (DOG, 1, 0.625)
    assert dog["attrs"]["attrs"] == [
        {"type": "eta.core.data.CategoricalAttribute", "name": "sentence", "value": BARKS}
    ]
    assert [one["value"] for one in frames["36"]["attrs"]["attrs"]] == ["bell"]


def test_a_mask_fills_the_box_of_its_object() -> None:
    for frame in frames_in(unzipped(written("fiftyone"))).values():
        for one in frame["objects"]["objects"]:
            corner, end = one["bounding_box"]["top_left"], one["bounding_box"]["bottom_right"]
            x, y = round(corner["x"] * 64), round(corner["y"] * 48)
            whole = np.zeros((48, 64), bool)
            whole[y : round(end["y"] * 48), x : round(end["x"] * 64)] = unpacked(one["mask"])
            np.testing.assert_array_equal(whole, MASKS[one["index"]])


def test_an_answer_without_masks_has_boxes() -> None:
    frames = frames_in(unzipped(written("fiftyone", made(form="none"))))

    (dog,) = frames["6"]["objects"]["objects"]
    assert "mask" not in dog
    assert dog["bounding_box"]["top_left"] == {"x": 10 / 64, "y": 2 / 48}
