"""A checkpoint says all that it was trained from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest, digest
from ssuformer.model.config import preset
from ssuformer.model.family import build
from ssuformer.salience import U2NETP
from tests.training.small_pack import SmallPack
from tests.training.test_fit import small_experiment
from training.experiment import DataSource
from training.fit import Run, fit, start
from training.origin import Beginning, Material, Origin
from training.packs.photographs import FilmIndex
from training.pretrained import EFFICIENTNET_LITE0, YAMNET


def begin(folder: Path, checkpoint: Path | None = None, *, pack: Path) -> Run:
    experiment = small_experiment(pack=str(pack))
    return start(experiment, SmallPack(), folder, torch.device("cpu"), checkpoint)  # type: ignore[arg-type]


def told(folder: Path) -> Origin:
    return Origin.model_validate(Manifest.read(folder).training)


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """Return a folder with no more of a pack than its index."""
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "manifest.json").write_text("{}")
    return folder


def test_a_manifest_says_the_experiment_and_its_material(tmp_path: Path, pack: Path) -> None:
    run = begin(tmp_path / "run", pack=pack)
    fit(run, until=1)

    origin = told(run.checkpoint)

    assert origin.experiment == run.experiment
    index = digest(pack / "manifest.json")
    assert origin.material == (Material(name="pack", file="manifest.json", sha256=index),)
    assert (origin.teachers, origin.published, origin.begin) == ((), (), None)


def test_a_run_says_which_checkpoint_it_began_from_after_an_interruption_too(
    tmp_path: Path, pack: Path
) -> None:
    first = begin(tmp_path / "first", pack=pack)
    fit(first, until=1)

    fit(begin(tmp_path / "second", first.checkpoint, pack=pack), until=1)
    fit(begin(tmp_path / "second", pack=pack), until=2)

    weights = digest(first.checkpoint / "model.safetensors")
    assert told(tmp_path / "second" / "checkpoint").begin == Beginning(
        name="ssuformer-small", steps=1, sha256=weights
    )


def test_a_run_does_not_go_on_with_other_material(tmp_path: Path, pack: Path) -> None:
    fit(begin(tmp_path / "run", pack=pack), until=1)
    (pack / "manifest.json").write_text("{ }")

    with pytest.raises(ConfigError, match="other material"):
        begin(tmp_path / "run", pack=pack)


def test_every_source_of_data_and_its_teacher_is_named(tmp_path: Path, pack: Path) -> None:
    films, clips = tmp_path / "films", tmp_path / "clips"
    for folder, names in ((films, ["films.json"]), (clips, ["data.json", "clips.jsonl"])):
        folder.mkdir()
        for name in names:
            index = FilmIndex(command="", teachers=(U2NETP,), items=())
            (folder / name).write_text(index.model_dump_json())
    experiment = small_experiment(
        pack=str(pack),
        data=(
            DataSource(kind="photographic", folder=str(films), weight=3),
            DataSource(kind="filmed", folder=str(clips)),
            DataSource(kind="composed"),
        ),
    )
    model = build(preset("small", categories=3, vocabulary=60))

    origin = Origin.of(experiment, model, None)

    files = [(material.name, material.file) for material in origin.material]
    assert files == [
        ("pack", "manifest.json"),
        ("films", "films.json"),
        ("clips", "data.json"),
        ("clips", "clips.jsonl"),
    ]
    assert origin.teachers == (U2NETP,)
    assert origin.published == (EFFICIENTNET_LITE0, YAMNET)
    assert Origin.model_validate_json(origin.model_dump_json()) == origin
