"""The recipes for public data sets: each learns for three steps on a small tree of its format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import torch

from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest
from ssuformer.model.config import Family
from tests.training.data.small_data import (
    dog,
    write_avss,
    write_film,
    write_layout,
    write_ms3,
    write_s4,
)
from training import experiment as experiments
from training.data.layout import ListedClip
from training.fit import fit, start
from training.task import Task

CONFIGS = Path("training/configs")
SMALL = (
    "preset=tiny",
    "model={channels=32, heads=2, queries=4, caption_layers=1, detail_tokens=2}",
    "stages=[{size=64, seconds=2, batch=2, steps=3}]",
    "validation_scenes=1",
    "workers=0",
)


def _with_both_splits(write: Callable[[Path], Path], folder: Path) -> Path:
    """Write a small set whose lists name its clips as `train` and as `val`."""
    write(folder)
    for path in folder.glob("*.csv"):
        heading, *lines = path.read_text().splitlines()
        both = [x.replace("val", split) for x in lines for split in ("train", "val")]
        path.write_text("\n".join([heading, *both]) + "\n")
    for path in [*folder.rglob("val")]:
        shutil.copytree(path, path.with_name("train"))
    return folder


def _s4(folder: Path) -> Path:
    """Write a small S4 whose test clip is for validation."""
    write_s4(folder)
    path = folder / "s4_meta_data.csv"
    path.write_text(path.read_text().replace(",test", ",val"))
    for split in [*folder.rglob("test")]:
        split.rename(split.with_name("val"))
    return folder


def _layout(folder: Path) -> Path:
    write_film(folder / "a.mp4")
    lines = [ListedClip(truth="a.truth.json", split=split) for split in ("train", "val")]
    return write_layout(folder, {"a.truth.json": dog()}, lines)


TREES: dict[str, Callable[[Path], Path]] = {
    "s4": _s4,
    "ms3": lambda folder: _with_both_splits(write_ms3, folder),
    "avss": lambda folder: _with_both_splits(write_avss, folder),
}
RECIPES = [
    *((f"avsbench-{name}-{family}", TREES[name]) for name in TREES for family in get_args(Family)),
    ("f-music", _layout),
    ("f-lifescene", _layout),
]


@pytest.mark.parametrize(("name", "write"), RECIPES, ids=[name for name, _ in RECIPES])
def test_a_recipe_learns_for_three_steps(
    name: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = write(tmp_path / "data")
    file = CONFIGS / f"{name}.toml"
    data = f"data=[{{folder='{folder}'}}]"
    experiment = experiments.read(file, [data])
    small = experiments.read(file, [*SMALL, data])

    fit(start(small, experiments.open_material(small), tmp_path / "run", torch.device("cpu")))

    manifest = Manifest.read(tmp_path / "run/checkpoint")
    assert (experiment.name, manifest.steps) == (name, 3)
    assert name.endswith(str(small.model["family"])) or name.startswith("f-")
    assert manifest.categories
    assert small.losses == experiment.losses


def test_a_model_has_the_names_of_its_data_or_those_of_films(tmp_path: Path) -> None:
    folder = _s4(tmp_path)
    data = [f"data=[{{folder='{folder}'}}]"]
    of_data, of_films = (
        Task.of(experiments.read(CONFIGS / "avsbench-s4-tpavi.toml", [*data, *more]), None)
        for more in ((), ("names=films",))
    )

    assert of_data.categories == ("dog_barking", "male_speech")
    assert [word.noun for word in of_data.words] == ["dog", "person"]
    assert {"dog", "something"} < set(of_films.categories)


def test_clips_alone_are_validated_on_their_own_split(tmp_path: Path) -> None:
    folder = _s4(tmp_path)
    experiment = experiments.read(
        CONFIGS / "avsbench-s4-tpavi.toml", [f"data=[{{folder='{folder}'}}]"]
    )

    scene = Task.of(experiment, None).scenes(experiment.stages[0], "val").compose(0)

    assert [source.category for source in scene.sources] == ["male_speech"]
    assert len(scene.frames) == 5


def test_a_split_for_validation_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    folder = write_s4(tmp_path / "data")
    experiment = experiments.read(
        CONFIGS / "avsbench-s4-tpavi.toml", [*SMALL, f"data=[{{folder='{folder}'}}]"]
    )

    with pytest.raises(ConfigError, match="no split 'val'"):
        start(experiment, None, tmp_path / "run", torch.device("cpu"))


def test_own_names_need_clips_that_have_them(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('name = "a"\nnames = "data"\nstages = [{size=64, steps=1}]\n')

    with pytest.raises(ConfigError, match='names = "data" needs filmed data'):
        experiments.read(file)


def test_a_file_says_what_differs_from_the_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        'name = "a"\nstages = [{size=64, steps=1}]\nmodel = {queries = 5}'
    )
    (tmp_path / "b.toml").write_text('base = "a.toml"\nname = "b"\nmodel = {channels = 32}')
    (tmp_path / "c.toml").write_text('base = "b.toml"')

    experiment = experiments.read(tmp_path / "b.toml")

    assert (experiment.name, experiment.steps) == ("b", 1)
    assert experiment.model == {"queries": 5, "channels": 32}
    with pytest.raises(ConfigError, match=r"c\.toml: base = 'b\.toml' has a base itself"):
        experiments.read(tmp_path / "c.toml")
    (tmp_path / "c.toml").write_text('base = "nothing.toml"')
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        experiments.read(tmp_path / "c.toml")
