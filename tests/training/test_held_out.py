"""Evaluation finds the scenes of every split by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssuformer.errors import ConfigError
from training.collage.scenes import CollageScenes
from training.held_out import HELD_OUT, held_out, parse_splits, score_name
from training.packs import procedural
from training.scenes.composer import Composer

PACK = procedural.pack()


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(ConfigError, match="'holdout'"):
        parse_splits("test,holdout")


def test_splits_are_read_in_their_order() -> None:
    assert parse_splits("collage,test") == ["collage", "test"]


def test_every_split_has_scenes_and_only_collage_those_of_the_second_composer() -> None:
    sources = {split: held_out(PACK, split) for split in HELD_OUT if split != "test-style"}

    assert isinstance(sources.pop("collage"), CollageScenes)
    assert all(isinstance(source, Composer) for source in sources.values())


def test_scores_before_photographs_have_a_name_of_their_own() -> None:
    assert score_name("collage") == "collage"
    assert score_name("collage", Path("photographs")) == "collage-photographs"
    assert score_name("test", Path("photographs")) == "test"
