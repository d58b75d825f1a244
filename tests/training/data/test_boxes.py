"""Labelled boxes are read, and scored second by second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssuformer.errors import ConfigError
from tests.training.data.small_data import boxes, write_boxes
from training.data.boxes import Boxes
from training.data.names import kind_of, model_names
from training.metrics.boxes import BoxEvaluation
from training.metrics.regions import PredictedRegion
from training.scene import Scene, Source

LEFT = np.arange(224)[None, :].repeat(224, axis=0) < 112


def test_a_box_is_a_filled_mask_and_an_unsure_second_is_not_known(tmp_path: Path) -> None:
    scene = Boxes(write_boxes(tmp_path)).compose(0)

    (guitar,) = scene.sources
    assert np.array_equal(guitar.masks, [LEFT] * 3)
    assert guitar.sounding.tolist() == [False, True, False]
    assert guitar.accepted == ("banjo",)
    assert scene.frames_known().tolist() == [0, 1]


def test_two_things_of_one_label_are_two_sources(tmp_path: Path) -> None:
    man = {"category": "man", "box": [0, 0, 32, 48], "sounding": True}
    things = [man, man | {"box": [32, 0, 32, 48], "sounding": False}]
    write_boxes(tmp_path, boxes(seconds=[{"time": 0.5, "things": things}]))

    left, right = Boxes(tmp_path).compose(0).sources

    assert np.array_equal(left.masks[0], LEFT)
    assert np.array_equal(right.masks[0], ~LEFT)
    assert (left.sounding[0], right.sounding[0]) == (True, False)


def test_a_bad_label_is_named_with_its_field(tmp_path: Path) -> None:
    write_boxes(tmp_path, boxes(seconds=[{"time": -1, "things": []}]))

    with pytest.raises(ConfigError, match=r"labels\.json: clips\.0\.seconds\.0\.time is -1"):
        Boxes(tmp_path)


RIGHT_HALF = ~LEFT
SMALL_INSIDE = LEFT & (np.arange(224) < 60)[:, None] & (np.arange(224) > 80)[None, :]
MODEL = ("banjo", "dog", "person_singing")


def scored(
    *regions: list[PredictedRegion], category: str = "guitar", **changes: object
) -> dict[str, float]:
    """Return the scores of regions in the seconds of a scene whose left half sounds."""
    t = len(regions)
    fields = {"sounding": np.ones(t, bool), "accepted": ("banjo",)} | changes
    source = Source(category=category, masks=np.stack([LEFT] * t), sentences=("",) * t, **fields)  # type: ignore[arg-type]
    scene = Scene(
        np.zeros((t, 224, 224, 3), np.uint8), np.zeros((t, 16_000), np.float32), (source,)
    )
    evaluation = BoxEvaluation(right=lambda name: model_names(name, MODEL), kind=kind_of)
    evaluation.add(scene, regions=regions, union=np.zeros((t, 224, 224)))
    return evaluation.report()


def region(mask: np.ndarray, category: str) -> list[PredictedRegion]:
    return [PredictedRegion(mask, 0.9, category)]


def test_a_second_is_located_by_overlap_or_by_the_centroid() -> None:
    scores = scored(
        region(LEFT, "banjo"), region(SMALL_INSIDE, "dog"), region(RIGHT_HALF, "banjo"), []
    )

    assert scores["located"] == 0.25
    assert scores["located_or_centroid"] == 0.5
    assert scores["named_right"] == 0.25
    assert scores["answered"] == 0.75
    assert scores["located_by_middle"] == 0.0
    assert (scores["sounding_seconds"], scores["regions"]) == (4, 3)
    assert "silent_with_region" not in scores


def test_what_the_model_has_no_name_for_cannot_be_named_right() -> None:
    scores = scored(region(LEFT, "dog"), category="tractor", accepted=())

    assert "named_right" not in scores
    assert scores["nameable_seconds"] == 0


def test_a_region_in_a_silent_second_is_counted() -> None:
    scores = scored(region(LEFT, "banjo"), [], sounding=np.zeros(2, bool))

    assert scores["silent_with_region"] == 0.5
    assert "located" not in scores


def test_people_named_as_animals_or_things_are_counted() -> None:
    scores = scored(
        region(LEFT, "dog"), region(LEFT, "banjo"), region(LEFT, "person_singing"),
        region(LEFT, "something"), region(RIGHT_HALF, "dog"),
        category="woman singing", accepted=(),
    )  # fmt: skip

    assert scores["people_misnamed"] == 0.5
    assert scores["regions_on_people"] == 4
    assert scores["named_right"] == 0.2
