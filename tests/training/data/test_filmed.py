"""Filmed clips as training scenes: excerpts of their known seconds, in a model's words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssuformer.errors import ConfigError
from tests.training.data.small_data import boxes, dog, one_clip, second, write_boxes, write_s4
from training.batch import MAX_SOURCES
from training.data.avsbench import S4
from training.data.boxes import Boxes
from training.data.filmed import Excerpts
from training.data.layout import Layout


def test_an_excerpt_has_the_size_length_and_names_of_the_model(tmp_path: Path) -> None:
    films = S4(write_s4(tmp_path)).only("test")

    scene = Excerpts(films, categories=("person_speaking", "dog"), size=64, seconds=2).compose(0)

    (man,) = scene.sources
    assert man.category == "person_speaking"
    assert scene.frames.shape == (2, 64, 64, 3)
    assert man.masks.shape == (2, 64, 64)
    assert np.array_equal(man.masks[0, 0], np.arange(64) < 32)


def test_each_round_shows_another_part_whose_seconds_are_neighbours(tmp_path: Path) -> None:
    films = S4(write_s4(tmp_path)).only("test")
    scenes = Excerpts(films, categories=("something",), size=224, seconds=3)

    levels = [[int(f.mean()) for f in scenes.compose(i).frames] for i in range(12)]

    assert all(part[1] == part[0] + 1 and part[2] == part[0] + 2 for part in levels)
    assert {part[0] for part in levels} == {1, 2, 3}
    assert levels == [[int(f.mean()) for f in scenes.compose(i).frames] for i in range(12)]


def test_a_single_known_second_is_repeated(tmp_path: Path) -> None:
    films = S4(write_s4(tmp_path)).only("train")

    scene = Excerpts(films, categories=("dog", "something"), size=224, seconds=3).compose(0)

    assert [int(frame.mean()) for frame in scene.frames] == [1, 1, 1]
    assert scene.sources[0].sounding.all()


def test_what_the_model_has_no_category_for_is_something_or_refused(tmp_path: Path) -> None:
    films = S4(write_s4(tmp_path)).only("train")

    scene = Excerpts(films, categories=("cat", "something"), size=64, seconds=1).compose(0)

    assert scene.sources[0].category == "something"
    with pytest.raises(ConfigError, match=r"no category for 'dog_barking'"):
        Excerpts(films, categories=("cat",), size=64, seconds=1)


def test_of_more_sources_than_a_batch_holds_those_that_sound_longest_are_kept(
    tmp_path: Path,
) -> None:
    quiet = {"category": "dog", "seconds": [second(1, sounding=False)]}
    one_clip(tmp_path, sources=[quiet] * MAX_SOURCES + dog()["sources"])

    scene = Excerpts(Layout(tmp_path), categories=("dog", "cat"), size=64, seconds=3).compose(0)

    assert len(scene.sources) == MAX_SOURCES
    assert scene.sources[0].sounding.any()


def test_a_clip_without_a_known_second_is_named(tmp_path: Path) -> None:
    things = [{"category": "dog", "box": [0, 0, 9, 9], "sounding": None}]
    write_boxes(tmp_path, boxes(seconds=[{"time": 0.5, "things": things}]))
    scenes = Excerpts(Boxes(tmp_path), categories=("dog",), size=64, seconds=1)

    with pytest.raises(ConfigError, match=r"no second of a\.mp4 is labelled"):
        scenes.compose(0)
