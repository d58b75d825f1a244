"""Shards hold the scenes that went in, and half of a set is never read."""

from __future__ import annotations

import os
import resource
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ssuformer.contract import FRAME_SIZE
from ssuformer.errors import ConfigError
from tests.forked import exit_code
from tests.training.data.small_data import one_clip
from tests.training.small_pack import SmallPack
from training import experiment as experiments
from training.__main__ import app
from training.data.kinds import open_films
from training.data.shards import Plan, Shard, Shards, write_shards
from training.experiment import DataSource, Experiment, Stage
from training.fit import fit, start
from training.packs import procedural
from training.scene import Scene
from training.scenes.composer import Composer
from training.task import Task

PACK = SmallPack()
WORDS = PACK.categories
MODEL = {"channels": 32, "heads": 2, "queries": 4, "caption_layers": 1, "detail_tokens": 2}


def composer() -> Composer:
    return Composer(PACK, "train", size=FRAME_SIZE, seconds=2, seed=4)


def plan(train: int = 5, val: int = 2, **changes: object) -> Plan:
    return Plan(
        experiment={"seed": 4, **changes}, seconds=2, scenes={"train": train, "val": val},
        words=WORDS, told=("outlines", "categories", "sentences"),
    )  # fmt: skip


def write(folder: Path, made: Plan | None = None) -> Iterator[Shard]:
    sources = {"train": composer(), "val": composer()}
    return write_shards(folder, made or plan(), sources, each=2)


def assert_same(one: Scene, other: Scene) -> None:
    assert np.array_equal(one.frames, other.frames)
    assert np.array_equal(one.waveform, other.waveform)
    assert np.array_equal(one.frames_known(), other.frames_known())
    for here, there in zip(one.sources, other.sources, strict=True):
        assert (here.category, here.sentences) == (there.category, there.sentences)
        assert here.accepted == there.accepted
        assert np.array_equal(here.masks, there.masks)
        assert np.array_equal(here.sounding, there.sounding)
    assert [u.category for u in one.unseen] == [u.category for u in other.unseen]


def test_shards_hold_the_scenes_that_went_in(tmp_path: Path) -> None:
    written = [*write(tmp_path)]

    data = open_films(tmp_path)

    assert [(s.file, len(s.scenes)) for s in written] == [
        ("train-00000.tar", 2), ("train-00001.tar", 2), ("train-00002.tar", 1),
        ("val-00000.tar", 2),
    ]  # fmt: skip
    assert isinstance(data, Shards)
    assert data.splits == ("train", "val")
    for entry in data.only("train").entries:
        file, number = entry.name.split(":")
        index = 2 * int(file[6:11]) + int(number)
        assert_same(data.read(entry), composer().compose(index))


def test_a_shard_is_a_tar_file_as_webdataset_names_its_members(tmp_path: Path) -> None:
    first = next(write(tmp_path))

    with tarfile.open(tmp_path / first.file) as tar:
        names = tar.getnames()

    assert names == ["00000000.npz", "00000000.json", "00000001.npz", "00000001.json"]


def test_writing_that_was_killed_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    whole = [*write(tmp_path / "whole")]

    def killed() -> None:
        for number, _ in enumerate(write(tmp_path / "parts")):
            if number == 1:
                (tmp_path / "parts/train-00002.tar.part").write_bytes(b"half")
                os.kill(os.getpid(), signal.SIGKILL)

    assert exit_code(killed) == -signal.SIGKILL

    with pytest.raises(ConfigError, match="not complete: 4 of 5 scenes of 'train'"):
        open_films(tmp_path / "parts")
    rest = [*write(tmp_path / "parts")]

    assert [shard.file for shard in rest] == ["train-00002.tar", "val-00000.tar"]
    assert open_films(tmp_path / "parts").index.shards == tuple(whole)  # type: ignore[attr-defined]
    assert not [*(tmp_path / "parts").glob("*.part")]


def test_a_full_disk_leaves_the_shards_before_it(tmp_path: Path) -> None:
    next(write(tmp_path))

    def written_in_full() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
        try:
            next(write(tmp_path))
        except ConfigError as error:
            return 3 if "Shards before it are complete" in error.message else 4
        return 0

    assert exit_code(written_in_full) == 3
    assert not [*tmp_path.glob("*.part")]
    assert len([*write(tmp_path)]) == 3


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    [*write(tmp_path)]
    data = Shards(tmp_path)
    path = tmp_path / "train-00000.tar"
    content = bytearray(path.read_bytes())
    content[5000:5100] = bytes(100)
    path.write_bytes(content)
    entry = next(e for e in data.entries if e.name == "train-00000.tar:0")

    with pytest.raises(ConfigError, match=r"train-00000\.tar is damaged"):
        data.read(entry)
    path.write_bytes(content[:-1])
    with pytest.raises(ConfigError, match=r"train-00000\.tar has \d+ bytes"):
        Shards(tmp_path)


def test_shards_of_other_data_are_not_gone_on_with(tmp_path: Path) -> None:
    next(write(tmp_path))

    with pytest.raises(ConfigError, match="shards of other data"):
        next(write(tmp_path, plan(seed=5)))


def test_a_model_is_trained_on_shards_without_a_pack(tmp_path: Path) -> None:
    [*write(tmp_path / "shards")]
    stage = Stage(size=64, seconds=2, batch=2, steps=2)
    experiment = Experiment.model_validate(
        {
            "name": "small", "model": MODEL, "stages": [stage], "workers": 0, "names": "data",
            "data": [DataSource(folder=str(tmp_path / "shards"))], "validation_scenes": 1,
        }
    )  # fmt: skip

    assert experiments.open_material(experiment) is None
    run = start(experiment, None, tmp_path / "run", torch.device("cpu"))
    fit(run)

    assert run.step == 2
    assert run.task.categories == tuple(word.name for word in WORDS)
    composed = Task.of(Experiment(name="a", stages=(stage,)), PACK)  # type: ignore[arg-type]
    assert {*run.task.tokenizer.vocabulary} == {*composed.tokenizer.vocabulary}


def test_the_command_writes_composed_and_filmed_scenes(tmp_path: Path) -> None:
    films, pack = one_clip(tmp_path / "films"), tmp_path / "pack"
    procedural.build(pack)
    file = tmp_path / "a.toml"
    file.write_text(
        f'name = "a"\npack = "{pack}"\nstages = [{{size = 64, seconds = 2, steps = 1}}]\n'
        f'data = [{{kind = "composed"}}, {{folder = "{films}", split = "test"}}]\nnames = "films"\n'
    )
    arguments = ["data", "shards", str(file), "--out", str(tmp_path / "out"), "--scenes", "12",
                 "--validation", "1", "--each", "5", "--workers", "0"]  # fmt: skip

    done = CliRunner().invoke(app, arguments)

    assert done.exit_code == 0, done.output
    assert "train-00002.tar: 2 scenes" in done.stdout
    data = open_films(tmp_path / "out").only("train")
    said = [data.compose(n).sources[0].sentences for n in range(12)]
    assert 0 < len([s for s in said if "a dog barks" in s]) < 12
    checked = CliRunner().invoke(app, ["data", "check", str(tmp_path / "out")])
    assert checked.exit_code == 0, checked.output
