"""An exported project is what training reads, without a step between."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ssuformer.manifest import Manifest
from ssuformer.masks import overlap
from tests.service.studio.conftest import (
    Annotator,
    put_heard,
    put_intervals,
    put_mask,
    put_track,
    square_at,
    studio_of,
    told,
)
from tests.ssuformer.footage import Footage
from tests.training.small_films import write_film_model, write_pack
from training.__main__ import app
from training.data.filmed import squeezed
from training.data.layout import Layout

pytestmark = pytest.mark.anyio

EXPERIMENT = """
name = "of-a-project"
pack = "{pack}"
workers = 0
warmup_steps = 2
validation_scenes = 2

[model]
channels = 32
heads = 2
queries = 4
caption_layers = 1
detail_tokens = 2

[[data]]
folder = "{data}"
split = "train"

[[stages]]
size = 64
seconds = 2
batch = 2
steps = 3
"""


async def project_of(folder: Path, film: bytes) -> bytes:
    """Return a project of two clips as a zip, one corrected by alice, one by bob."""
    other = Footage(seconds=3.0, size=(128, 96), beep=(0.0, 1.5)).make()
    async with studio_of(folder) as started:
        alice, bob = (Annotator(started.client, name) for name in ("alice", "bob"))
        project = await alice.project()
        for person, content, name in ((alice, film, "car.mp4"), (bob, other, "dark.mp4")):
            clip = await person.send(project, content, name)
            await person.begin(clip)
            edits = [
                put_track("t1", "dog"),
                *(put_mask("t1", frame, square_at(frame)) for frame in range(15)),
                put_intervals("t1", (1.0, 2.0, "a dog barks in the middle")),
                put_heard("piano", 0.0, 2.0),
            ]
            told(await person.edit(clip, 1, *edits))
        answer = await alice.call("GET", f"/projects/{project}/export?format=ra-ssu&layer=best")
    assert answer.status_code == 200, answer.text
    return answer.content


@pytest.fixture
async def data(tmp_path: Path, film: bytes) -> Path:
    folder = tmp_path / "data"
    with zipfile.ZipFile(io.BytesIO(await project_of(tmp_path, film))) as archive:
        archive.extractall(folder)
    return folder


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.output


async def test_a_project_is_checked_trained_on_and_evaluated(tmp_path: Path, data: Path) -> None:
    run("data", "check", data)
    pack = write_pack(tmp_path / "pack")
    experiment = tmp_path / "experiment.toml"
    experiment.write_text(EXPERIMENT.format(pack=pack, data=data))

    run("fit", experiment, "--out", tmp_path / "run")
    run("evaluate", tmp_path / "run/checkpoint", "--data", data, "--csv")

    manifest = Manifest.read(tmp_path / "run/checkpoint")
    assert manifest.steps == 3
    assert "dog" in manifest.categories
    assert "j" in manifest.metrics[f"{data.name}:train"]


async def test_what_training_reads_is_what_was_corrected(data: Path) -> None:
    films = Layout(data)
    scenes = {entry.name: films.read(entry) for entry in films.entries}

    scene = scenes["clips/car.truth.json"]
    (dog,) = scene.sources
    assert dog.category == "dog"
    assert dog.sounding.tolist() == [False, True, False, False]
    assert dog.sentences[1] == "a dog barks in the middle"
    for second in range(3):  # frames 2, 7 and 12: the nearest to the middle, the earlier of two
        frame = squeezed(square_at(5 * second + 2)[None])[0]
        assert overlap(dog.masks[second].astype(bool), frame) > 0.95
    assert not dog.masks[3].any()


async def test_a_model_of_films_is_evaluated_on_it(tmp_path: Path, data: Path) -> None:
    model = write_film_model(tmp_path / "model")

    run("evaluate", model, "--data", data, "--csv")

    assert Manifest.read(model).metrics[f"{data.name}:train"]["regions"] > 0
