"""Scenes like films, from a handful of drawn photographs and tones."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ssuformer.contract import SAMPLE_RATE
from training.packs.material import FilmMaterial, Photo
from training.packs.recordings import write_sound
from training.scenes.film_sound import LEAST_AREA
from training.scenes.photographic import MOST_SOURCES, PhotographicScenes

NAMES = ("dog", "cat", "person_speaking", "car", "something")
SCENES = 60


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> FilmMaterial:
    folder = tmp_path_factory.mktemp("material")
    photos, recordings, sprites = [], {}, {}
    for number, name in enumerate(NAMES):
        box = (60 + 20 * number, 40, 200, 160)
        outline = Image.new("L", (300, 200))
        ImageDraw.Draw(outline).ellipse(box, fill=255)
        picture = Image.new("RGB", outline.size, (90, 120, 40 * number))
        picture.paste((220, 30 * number, 60), mask=outline)
        picture.save(folder / f"{name}.jpg")
        outline.save(folder / f"{name}.png")
        photos.append(Photo(folder / f"{name}.jpg", name, folder / f"{name}.png"))
        cutout = picture.copy()
        cutout.putalpha(outline)
        cutout.save(folder / f"{name}-cutout.png")
        sprites[name] = (folder / f"{name}-cutout.png",)
        time = np.arange(3 * SAMPLE_RATE) / SAMPLE_RATE
        tone = 0.2 * np.sin(2 * np.pi * 200 * (number + 1) * time)
        write_sound(folder / f"{name}.wav", tone.astype(np.float32))
        recordings[name] = (folder / f"{name}.wav",)
    return FilmMaterial(tuple(photos), (folder / "dog.jpg",), sprites, recordings)


@pytest.fixture(scope="module")
def scenes(material: FilmMaterial) -> PhotographicScenes:
    return PhotographicScenes(material, "train", size=64, seconds=3)


def test_a_number_always_gives_the_same_scene(
    scenes: PhotographicScenes, material: FilmMaterial
) -> None:
    again = PhotographicScenes(material, "train", size=64, seconds=3)

    for index in range(8):
        first, second = scenes.compose(index), again.compose(index)
        np.testing.assert_array_equal(first.frames, second.frames)
        np.testing.assert_array_equal(first.waveform, second.waveform)


def test_what_sounds_is_visible_and_has_a_sentence(scenes: PhotographicScenes) -> None:
    sounded = 0
    for index in range(SCENES):
        scene = scenes.compose(index)
        assert scene.frames.shape == (3, 64, 64, 3)
        assert len(scene.sources) <= MOST_SOURCES
        for source in scene.sources:
            assert source.masks[source.sounding].any(axis=(1, 2)).all()
            assert [bool(sentence) for sentence in source.sentences] == source.sounding.tolist()
            sounded += int(source.sounding.any())
    assert sounded > SCENES / 3


def test_no_pixel_belongs_to_two_things(scenes: PhotographicScenes) -> None:
    for index in range(SCENES):
        masks = [source.masks for source in scenes.compose(index).sources]
        assert not masks or np.sum(masks, axis=0).max() <= 1


def test_many_scenes_sound_of_things_that_are_not_seen_or_of_nothing(
    scenes: PhotographicScenes,
) -> None:
    every = [scenes.compose(index) for index in range(SCENES)]
    unseen = [scene for scene in every if scene.unseen]
    nothing = [
        scene for scene in every
        if not scene.unseen and not any(source.sounding.any() for source in scene.sources)
    ]  # fmt: skip

    assert len(unseen) > 0.1 * SCENES
    assert len(nothing) > 0.03 * SCENES
    for scene in unseen:
        for sound in scene.unseen:
            for source in scene.sources:
                seen = source.masks.mean(axis=(1, 2)) >= LEAST_AREA
                assert source.category != sound.category or not (seen & sound.sounding).any()


def test_levels_cover_quiet_and_loud_films(scenes: PhotographicScenes) -> None:
    levels = [float(np.sqrt(np.mean(scenes.compose(i).waveform ** 2))) for i in range(SCENES)]
    decibels = 20 * np.log10([level for level in levels if level > 0])

    assert decibels.min() < -35
    assert decibels.max() > -12


def test_a_scene_of_one_second_has_one_shot(material: FilmMaterial) -> None:
    scenes = PhotographicScenes(material, "train", size=64, seconds=1)

    assert all(len(scenes.compose(index).frames) == 1 for index in range(SCENES))


def test_a_thing_is_seen_in_one_shot_alone_and_the_truth_tells_the_cut(
    scenes: PhotographicScenes,
) -> None:
    cut = 0
    for scene in map(scenes.compose, range(SCENES)):
        assert scene.shots is not None
        cut += len(set(scene.shots.tolist())) > 1
        for source in scene.sources:
            shown = source.masks.any(axis=(1, 2))
            assert len(set(scene.shots[shown].tolist())) <= 1

    assert cut > 0


def test_the_truth_tells_how_far_what_sounds_is_above_the_noise(
    scenes: PhotographicScenes,
) -> None:
    for scene in map(scenes.compose, range(SCENES)):
        sounding = [s.sounding for s in scene.sources] + [u.sounding for u in scene.unseen]
        heard = any(seconds.any() for seconds in sounding)
        assert scene.snr_db is not None
        assert (3 <= scene.snr_db <= 45) if heard else scene.snr_db == -np.inf
