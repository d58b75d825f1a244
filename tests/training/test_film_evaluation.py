"""A model of film categories is evaluated on every kind of scenes, by names and words it has."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest
from tests.training.data.small_data import dog, one_clip, second, write_boxes
from tests.training.small_films import (
    FILM_NAMES,
    film_manifest,
    write_film_material,
    write_film_model,
    write_pack,
)
from training.__main__ import app
from training.data.kinds import open_films
from training.evaluation import Exam, exam_of, exam_on_films
from training.experiment import open_pack
from training.held_out import HeldOut, photographic
from training.packs.pack import AssetPack
from training.scene import Scene

MANIFEST = film_manifest()
SCENES = 4
runner = CliRunner()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a pack, film material, and photographs for backgrounds."""
    folder = tmp_path_factory.mktemp("packs")
    write_pack(folder / "pack")
    write_film_material(folder / "films")
    (folder / "photographs").mkdir()
    grey = np.arange(480 * 360 * 3).reshape(360, 480, 3) % 251
    Image.fromarray(grey.astype(np.uint8)).save(folder / "photographs/a.jpg")
    return folder


@pytest.fixture(scope="module")
def pack(folders: Path) -> AssetPack:
    return open_pack(str(folders / "pack"))


def composed(exam: Exam) -> list[Scene]:
    return [exam.scenes.compose(index) for index in range(SCENES)]


def names(scenes: list[Scene]) -> set[str]:
    seen = {source.category for scene in scenes for source in scene.sources}
    return seen | {sound.category for scene in scenes for sound in scene.unseen}


@pytest.mark.parametrize("split", get_args(HeldOut))
def test_the_truth_of_every_split_is_in_the_models_names_and_language(
    folders: Path, pack: AssetPack, split: HeldOut
) -> None:
    exam = exam_of(MANIFEST, pack, split, folders / "photographs", str(folders / "films"))

    scenes = composed(exam)

    told = [(s, said) for scene in scenes for s in scene.sources for said in s.sentences if said]
    assert told
    assert "sentences" in exam.told
    assert names(scenes) <= set(MANIFEST.categories)
    for source, said in told:
        facts = exam.grammar.facts(said)
        assert facts is not None, said
        assert facts.category == source.category


def test_a_model_of_a_pack_has_the_names_and_sentences_of_that_pack(
    folders: Path, pack: AssetPack
) -> None:
    own = MANIFEST.model_copy(
        update={"categories": tuple(FILM_NAMES)[:6], "nouns": (), "verbs": ()}
    )

    exam = exam_of(own, pack, "test")
    photographic = exam_of(own, pack, "photographic", films=str(folders / "films"))

    scenes = composed(exam)
    said = chain.from_iterable(s.sentences for scene in scenes for s in scene.sources)
    assert names(scenes) <= set(own.categories)
    assert all(exam.grammar.facts(sentence) for sentence in said if sentence)
    assert photographic.told == {"outlines", "categories"}


def test_film_material_that_is_missing_is_named(pack: AssetPack, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"no material at {tmp_path}/nothing"):
        exam_of(MANIFEST, pack, "photographic", films=f"{tmp_path}/nothing")


def test_filmed_clips_take_the_models_names_and_boxes_keep_their_labels(tmp_path: Path) -> None:
    said = "a small dog barks alone on the left"
    robot = [second(1, sounding=True, sentence="a robot bleeps alone on the left")]
    one_clip(
        tmp_path / "clips",
        sources=[
            {"category": "dog", "seconds": [second(1, sounding=True, sentence=said)]},
            {"category": "cat", "seconds": robot},
        ],
    )
    write_boxes(tmp_path / "boxes")

    clips, boxes = (
        exam_on_films(MANIFEST, open_films(tmp_path / name)) for name in ("clips", "boxes")
    )

    (scene,) = [clips.scenes.compose(0)]
    assert [source.sentences[1] for source in scene.sources] == [
        said, "something sounds alone on the left",
    ]  # fmt: skip
    assert [source.category for source in boxes.scenes.compose(0).sources] == ["acoustic guitar"]


def test_sentences_of_a_model_of_other_categories_are_read_with_its_own_words(
    tmp_path: Path,
) -> None:
    said = "a small theremin player wobbles alone on the left"
    one_clip(
        tmp_path,
        sources=[{"category": "theremin", "seconds": [second(1, sounding=True, sentence=said)]}],
    )
    words = {"categories": ("theremin",), "nouns": ("theremin player",), "verbs": ("wobbles",)}

    exam = exam_on_films(MANIFEST.model_copy(update=words), open_films(tmp_path))

    facts = exam.grammar.facts(said)
    assert facts is not None
    assert facts.category == "theremin"


def test_the_command_scores_a_model_of_film_categories_on_composed_and_film_like_scenes(
    folders: Path, tmp_path: Path
) -> None:
    model = write_film_model(tmp_path / "model")
    options = ["--pack", folders / "pack", "--films", folders / "films", "--scenes", "2"]

    done = runner.invoke(
        app,
        ["evaluate", str(model), "--splits", "test,photographic", "--csv", *map(str, options)],
    )

    assert done.exit_code == 0, done.output
    scores = Manifest.read(model).metrics
    assert set(scores) == {"cost"} | {
        split + control
        for split in ("test", "photographic")
        for control in ("", "/shuffled", "/silent")
    }
    for split in ("test", "photographic"):
        assert scores[split]["regions"] > 0
        assert {"joint_f1", "instance_j", "regions_on_people"} <= scores[split].keys()


@pytest.mark.parametrize("kind", ["clips", "boxes"])
def test_the_command_scores_a_model_of_film_categories_on_filmed_clips(
    tmp_path: Path, kind: str
) -> None:
    model = write_film_model(tmp_path / "model")
    data = tmp_path / kind
    if kind == "clips":
        one_clip(data, **{"sources": dog()["sources"]})
    else:
        write_boxes(data)

    done = runner.invoke(app, ["evaluate", str(model), "--data", str(data), "--csv"])

    assert done.exit_code == 0, done.output
    split = "test" if kind == "clips" else "all"
    assert Manifest.read(model).metrics[f"{kind}:{split}"]["regions"] > 0


def test_clips_for_quantising_a_model_of_films_are_film_like(folders: Path, tmp_path: Path) -> None:
    checkpoint, written = write_film_model(tmp_path / "model"), tmp_path / "clips.npz"

    options = ["--checkpoint", checkpoint, "--scenes", 2]
    options += ["--pack", folders / "pack", "--films", folders / "films"]

    told = runner.invoke(app, ["clips", str(written), *map(str, options)])

    assert told.exit_code == 0, told.output
    expected = photographic(open_pack(str(folders / "pack")), str(folders / "films"), "train")
    first = expected.compose(0)
    with np.load(written) as clips:
        assert np.array_equal(clips["frames"][0], first.frames)
        assert np.array_equal(clips["waveform"][0], first.waveform)
