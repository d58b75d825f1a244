import pickle
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from ssuformer.errors import ConfigError
from tests.training.small_pack import SmallPack
from training.scene import Scene
from training.scenes.clips import write_clips
from training.scenes.composer import BACKGROUND_SIDE, LEAST_VISIBLE, Composer
from training.scenes.mixing import REFERENCE
from training.scenes.raster import Raster
from training.scenes.script import Camera, has_change, has_duet, has_silence

COUNT = 24


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer(SmallPack(), "train", size=96, seed=5)


@pytest.fixture(scope="module")
def scenes(composer: Composer) -> list[Scene]:
    return [composer.compose(number) for number in range(COUNT)]


def _bytes(scene: Scene) -> bytes:
    parts = [scene.frames.tobytes(), scene.waveform.tobytes()]
    for source in scene.sources:
        parts += [source.category.encode(), source.masks.tobytes(), source.sounding.tobytes()]
        parts += [sentence.encode() for sentence in source.sentences]
    return b"".join(parts)


def test_the_same_number_gives_the_same_scene_byte_for_byte(scenes: list[Scene]) -> None:
    again = Composer(SmallPack(), "train", size=96, seed=5)

    # in another order, so that nothing depends on what was composed before
    for number in (7, 3, 11):
        assert _bytes(again.compose(number)) == _bytes(scenes[number])


def test_a_pickled_composer_is_small_and_composes_the_same(
    composer: Composer, scenes: list[Scene]
) -> None:
    pickled = pickle.dumps(composer)

    assert len(pickled) < 100_000
    assert _bytes(pickle.loads(pickled).compose(2)) == _bytes(scenes[2])


def test_seed_and_split_change_the_scene(scenes: list[Scene]) -> None:
    other_seed = Composer(SmallPack(), "train", size=96, seed=6).compose(0)
    other_split = Composer(SmallPack(), "val", size=96, seed=5).compose(0)

    assert len({_bytes(scenes[0]), _bytes(other_seed), _bytes(other_split)}) == 3


def test_scenes_have_the_shapes_they_promise(scenes: list[Scene]) -> None:
    for scene in scenes:
        assert scene.frames.shape == (5, 96, 96, 3)
        assert scene.frames.dtype == np.uint8
        assert scene.waveform.shape == (5, 16_000)
        assert scene.waveform.dtype == np.float32
        assert np.abs(scene.waveform).max() <= 1
        for source in scene.sources:
            assert source.masks.shape == (5, 96, 96)
            assert source.sounding.shape == (5,)
            assert [bool(sentence) for sentence in source.sentences] == source.sounding.tolist()


def test_masks_do_not_overlap_and_nothing_is_hidden(scenes: list[Scene]) -> None:
    for scene in scenes:
        masks = np.stack([source.masks for source in scene.sources])
        assert masks.sum(axis=0).max() <= 1
        assert masks.any(axis=(2, 3)).all()


def test_masks_are_the_pixels_that_show_the_thing(composer: Composer) -> None:
    script = replace(composer.script(4), camera=Camera())
    whole = composer.take(script, (96, 96), background_side=BACKGROUND_SIDE)
    for number in range(len(script.actors)):
        kept = [a for i, a in enumerate(script.actors) if i != number]
        without = composer.take(
            replace(script, actors=tuple(kept)), (96, 96), background_side=BACKGROUND_SIDE
        )
        picture = whole.raster.picture(2.5)

        changed = (picture.rgb != without.raster.picture(2.5).rgb).any(axis=-1)

        mask = picture.mask(number)
        assert np.mean(changed[mask]) > 0.95
        assert np.count_nonzero(changed & ~mask) < 0.25 * np.count_nonzero(mask)


def test_enough_of_everything_is_visible_at_the_size_of_the_scene(composer: Composer) -> None:
    for number in range(COUNT):
        raster: Raster = composer.take(
            composer.script(number), (96, 96), background_side=BACKGROUND_SIDE
        ).raster
        for second in range(5):
            picture = raster.picture(second + 0.5)
            for actor, area in enumerate(picture.areas):
                assert picture.mask(actor).sum() >= (LEAST_VISIBLE - 0.08) * area


def test_the_truth_is_the_same_at_every_size(composer: Composer) -> None:
    larger = Composer(SmallPack(), "train", size=224, seed=5).compose(1)

    smaller = composer.compose(1)

    for one, other in zip(smaller.sources, larger.sources, strict=True):
        assert (one.sounding == other.sounding).all()
        assert one.masks.mean() == pytest.approx(other.masks.mean(), rel=0.12)
    assert (smaller.waveform == larger.waveform).all()


def test_silent_seconds_are_quiet_and_sounding_seconds_are_not(composer: Composer) -> None:
    for number in range(COUNT):
        script = composer.script(number)
        level = 10 ** (script.room.level_db / 20)
        rms = np.sqrt(np.mean(composer.compose(number).waveform ** 2, axis=1)) / level
        for second in range(5):
            if not script.heard(second):
                assert rms[second] < 0.2 * REFERENCE
            elif np.abs(composer.sound(script)).max() < 0.96:  # else all was turned down
                assert rms[second] > 0.25 * REFERENCE


def test_sentences_state_what_is_true(composer: Composer, scenes: list[Scene]) -> None:
    for number, scene in enumerate(scenes):
        script = composer.script(number)
        for source in scene.sources:
            for second, sentence in enumerate(source.sentences):
                facts = composer.grammar.facts(sentence)
                assert (facts is not None) == bool(source.sounding[second])
                if facts is None:
                    continue
                assert facts.category == source.category
                heard = {voice.category for voice in script.heard(second)} - {source.category}
                assert facts.company == (heard.pop() if heard else None)
                columns = np.flatnonzero(source.masks[second].any(axis=0)) / 96
                if "left" in facts.where:
                    assert columns.min() < 0.4
                if "right" in facts.where:
                    assert columns.max() > 0.6


def test_the_colour_of_a_plain_thing_is_named(scenes: list[Scene]) -> None:
    said = [s for scene in scenes for source in scene.sources for s in source.sentences if s]

    about = {
        noun: [s for s in said if f" {noun} " in s.split("while")[0]] for noun in ("fire engine",)
    }

    assert all("red fire engine" in sentence for sentence in about["fire engine"])


def test_a_profile_keeps_to_its_categories() -> None:
    music = Composer(SmallPack(), "train", "music", size=32)

    names = {source.category for i in range(8) for source in music.compose(i).sources}

    assert names <= {"violin", "piano", "maracas", "ukulele", "electric_guitar"}


def test_a_pack_with_too_few_categories_is_refused() -> None:
    class Poor(SmallPack):
        categories = SmallPack.categories[:4]

    with pytest.raises(ConfigError, match="4 categories"):
        Composer(Poor(), "train")


def test_find_yields_only_scripts_with_what_is_wanted(composer: Composer) -> None:
    found = list(islice(composer.find(has_silence, has_duet, has_change, aspect=16 / 9), 3))

    for script in found:
        assert has_silence(script)
        assert has_duet(script)
        assert has_change(script)
        assert script.aspect == 16 / 9


def test_clips_are_written_as_the_engine_takes_them(tmp_path: Path) -> None:
    composer = Composer(SmallPack(), "train", size=32, seconds=2)
    made = [composer.compose(number) for number in range(3)]

    write_clips(tmp_path / "new" / "clips.npz", made)

    with np.load(tmp_path / "new" / "clips.npz") as file:
        assert (file["frames"].shape, file["frames"].dtype) == ((3, 2, 32, 32, 3), np.uint8)
        assert (file["waveform"].shape, file["waveform"].dtype) == ((3, 2, 16000), np.float32)
        np.testing.assert_array_equal(file["frames"][1], made[1].frames)
