"""Scenes of the second composer are determined by their number, and their truth is exact."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ssuformer.errors import ConfigError
from tests.training.small_pack import SmallPack
from training.batch import SceneSource
from training.collage.scenes import CollageScenes
from training.packs.pack import Kind, PackItem
from training.scene import Scene, Split

SCENES = CollageScenes(SmallPack(), size=64, seconds=4)
TWELVE = [SCENES.compose(number) for number in range(12)]


def sounding(scene: Scene) -> dict[str, npt.NDArray[np.bool_]]:
    """Return when each category of a scene is heard."""
    seen = {source.category: source.sounding for source in scene.sources}
    return seen | {sound.category: sound.sounding for sound in scene.unseen}


class PoorPack(SmallPack):
    categories = SmallPack.categories[:3]


def test_it_is_a_source_of_scenes() -> None:
    assert isinstance(SCENES, SceneSource)


def test_the_same_number_gives_the_same_scene() -> None:
    again = CollageScenes(SmallPack(), size=64, seconds=4).compose(3)

    assert again.frames.tobytes() == TWELVE[3].frames.tobytes()
    assert again.waveform.tobytes() == TWELVE[3].waveform.tobytes()
    assert [s.sentences for s in again.sources] == [s.sentences for s in TWELVE[3].sources]


def test_other_numbers_and_seeds_give_other_scenes() -> None:
    other = CollageScenes(SmallPack(), size=64, seconds=4, seed=1).compose(0)

    frames = {scene.frames.tobytes() for scene in (*TWELVE, other)}
    assert len(frames) == 13


def test_a_scene_shows_two_or_three_things_without_overlap() -> None:
    for scene in TWELVE:
        masks = np.stack([source.masks for source in scene.sources])
        assert len(masks) in (2, 3)
        assert masks.any(axis=(2, 3)).all()
        assert masks.sum(axis=0).max() == 1


def test_frames_and_sound_have_the_shapes_of_engine_inputs() -> None:
    for scene in TWELVE:
        assert scene.frames.shape == (4, 64, 64, 3)
        assert scene.frames.dtype == np.uint8
        assert scene.waveform.shape == (4, 16_000)
        assert scene.waveform.dtype == np.float32
        assert np.abs(scene.waveform).max() < 1


def test_a_source_has_sentences_exactly_where_it_sounds() -> None:
    for scene in TWELVE:
        for source in scene.sources:
            assert [bool(text) for text in source.sentences] == source.sounding.tolist()


def test_every_sentence_states_the_facts_of_its_second() -> None:
    for scene in TWELVE:
        heard = sounding(scene)
        for source in scene.sources:
            for second in np.flatnonzero(source.sounding):
                facts = SCENES.grammar.facts(source.sentences[second])
                assert facts is not None
                assert facts.category == source.category
                others = {n for n, when in heard.items() if when[second]} - {source.category}
                assert facts.company in others if others else facts.company is None


def test_some_seconds_are_silent_some_have_one_sound_and_some_two() -> None:
    counts = {
        int(count) for scene in TWELVE for count in np.sum(list(sounding(scene).values()), axis=0)
    }

    assert counts == {0, 1, 2}


def test_some_sounds_come_from_outside_the_picture() -> None:
    unseen = [sound for scene in TWELVE for sound in scene.unseen]

    assert unseen
    assert all(sound.sounding.any() for sound in unseen)


def test_backgrounds_come_from_a_folder_if_one_is_given(tmp_path: Path) -> None:
    Image.new("RGB", (90, 70), (0, 255, 0)).save(tmp_path / "green.png")
    scenes = CollageScenes(SmallPack(), backgrounds=tmp_path, size=64, seconds=1)

    scene = scenes.compose(0)

    shown = np.any([source.masks for source in scene.sources], axis=0)
    r, g, b = np.median(scene.frames[~shown], axis=0)
    assert g > 200
    assert max(r, b) < 60


def test_only_test_material_is_used() -> None:
    asked: set[str] = set()

    class WatchedPack(SmallPack):
        def items(self, kind: Kind, category: str, split: Split) -> Sequence[PackItem]:
            asked.add(split)
            return super().items(kind, category, split)

    CollageScenes(WatchedPack(), size=64, seconds=1).compose(0)

    assert asked == {"test"}


def test_a_folder_without_photographs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no photograph"):
        CollageScenes(SmallPack(), backgrounds=tmp_path)


def test_a_file_that_is_no_photograph_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("no picture")

    with pytest.raises(ConfigError, match=r"broken\.jpg"):
        CollageScenes(SmallPack(), backgrounds=tmp_path).compose(0)


def test_a_pack_with_too_few_categories_is_an_error() -> None:
    with pytest.raises(ConfigError, match="3 categories"):
        CollageScenes(PoorPack())
