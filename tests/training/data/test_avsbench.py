"""AVSBench is read from its own file names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ssuformer.errors import ConfigError
from tests.training.data.small_data import write_avss, write_ms3, write_s4
from training.data.avsbench import AVSS, MS3, S4

LEFT = np.arange(224)[None, :].repeat(224, axis=0) < 112


def test_a_training_clip_of_s4_is_known_in_its_first_second_only(tmp_path: Path) -> None:
    data = S4(write_s4(tmp_path))

    train, test = data.only("train").compose(0), data.only("test").compose(0)

    assert data.categories == ("dog_barking", "male_speech")
    assert train.frames_known().tolist() == [0]
    assert test.frames_known().tolist() == [0, 1, 2, 3, 4]
    assert [source.category for source in train.sources] == ["dog_barking"]
    assert np.array_equal(train.sources[0].masks[0], LEFT)
    assert test.sources[0].sounding.all()


def test_pictures_are_in_order_and_sound_is_silent_after_its_end(tmp_path: Path) -> None:
    scene = S4(write_s4(tmp_path)).only("test").compose(0)

    assert [int(frame.mean()) for frame in scene.frames] == [1, 2, 3, 4, 5]
    assert scene.waveform.shape == (5, 16_000)
    assert np.abs(scene.waveform[4, :7_000]).max() > 0.4
    assert not scene.waveform[4, 8_000:].any()


def test_ms3_has_one_source_without_a_name_that_may_fall_silent(tmp_path: Path) -> None:
    (split,) = (data := MS3(write_ms3(tmp_path))).splits

    (source,) = data.compose(0).sources

    assert (split, source.category) == ("val", "something")
    assert source.sounding.tolist() == [True, True, False, True, True]
    assert np.array_equal(source.masks[0], LEFT)
    assert "categories" not in data.told


def test_avss_has_a_source_for_each_class_by_its_colour(tmp_path: Path) -> None:
    scene = AVSS(write_avss(tmp_path)).compose(0)

    dog, man = scene.sources
    assert (dog.category, man.category) == ("dog", "man")
    assert np.array_equal(dog.masks, [LEFT, ~LEFT])
    assert np.array_equal(man.masks, [np.zeros_like(LEFT), LEFT])
    assert man.sounding.tolist() == [False, True]


@pytest.mark.parametrize(
    ("line", "named"),
    [("clip,0,dog_barking", r"s4_meta_data\.csv:2 has no split"), ("", r"lists no clips")],
)
def test_a_bad_list_is_named_with_its_line(tmp_path: Path, line: str, named: str) -> None:
    (tmp_path / "s4_meta_data.csv").write_text(f"name,start_time,category,split\n{line}")

    with pytest.raises(ConfigError, match=named):
        S4(tmp_path)


def test_missing_pictures_masks_and_class_tables_are_named(tmp_path: Path) -> None:
    s4 = S4(write_s4(tmp_path / "s4")).only("train")
    (mask,) = (tmp_path / "s4/s4_data/gt_masks/train").rglob("*.png")
    mask.unlink()
    write_avss(tmp_path / "avss")
    avss = AVSS(tmp_path / "avss")
    (tmp_path / "avss/v2/v_0/frames/0.jpg").unlink()
    (tmp_path / "avss/label2idx.json").write_text("[]")

    with pytest.raises(ConfigError, match=r"train_clip_0_1\.png is missing"):
        s4.compose(0)
    with pytest.raises(ConfigError, match=r"frames/0\.jpg is not a picture"):
        avss.compose(0)
    with pytest.raises(ConfigError, match=r"label2idx\.json is not a table"):
        AVSS(tmp_path / "avss")
