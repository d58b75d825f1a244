"""Every family learns by the one experiment file that is for all, changed by `--set`."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch

from ssuformer.errors import ConfigError, OptionError
from ssuformer.model.config import Family
from ssuformer.model.family import FAMILY
from tests.training.small_pack import SmallPack
from training import experiment as experiments
from training.batch import SceneTensors, batches
from training.fit import start, train_step
from training.losses import TrainingLoss

FILE = Path("training/configs/family.toml")
SMALL = (
    "stages=[{size=64, seconds=2, batch=2, steps=60}]",
    "preset=tiny",
    "model={channels=32, heads=2, queries=4, caption_layers=1, detail_tokens=2, vision_details=0}",
    "data=[]",
    "frozen=[]",
    "warmup_steps=2",
    "workers=0",
)
OF_TRANSAVS = (
    "losses={queries_apart=2, masks_apart=2, sounding=5, focus=2, dice=5, mask=0, union=0}"
)


@pytest.mark.parametrize(
    ("family", "losses"),
    [*((family, ()) for family in get_args(Family)), ("transavs", (OF_TRANSAVS,))],
)
def test_the_loss_of_one_scene_falls(
    family: Family, losses: tuple[str, ...], tmp_path: Path
) -> None:
    experiment = experiments.read(FILE, [*SMALL, f"model.family={family}", *losses])
    run = start(experiment, SmallPack(), tmp_path, torch.device("cpu"))  # type: ignore[arg-type]
    scenes = SceneTensors(
        run.task.scenes(experiment.stages[0], "train"), run.task.categories, run.task.tokenizer, 28
    )
    (batch,) = batches(scenes, first=0, steps=1, size=2, workers=0)
    objective = TrainingLoss(run.model, experiment.losses)

    falling = [train_step(run, objective, batch) for _ in range(40)]

    assert type(run.model) is FAMILY[family]
    assert falling[-1]["total"] < 0.6 * falling[0]["total"]
    assert falling[-1]["dice"] < 0.7 * falling[0]["dice"]


def test_the_losses_of_transavs_are_a_value_of_the_experiment() -> None:
    assert OF_TRANSAVS in FILE.read_text()

    losses = experiments.read(FILE, [OF_TRANSAVS]).losses

    assert (losses.queries_apart, losses.masks_apart, losses.focus) == (2, 2, 2)
    assert losses.heard == experiments.read(FILE).losses.heard


def test_a_change_comes_after_the_file_and_keeps_its_neighbours() -> None:
    changes = ["model.family=catr", "model.queries=5", "seed=2", "frozen=['vision.']"]

    changed = experiments.read(FILE, changes)

    assert changed.model == {"family": "catr", "queries": 5, "vision_details": 3}
    assert (changed.seed, changed.frozen) == (2, ("vision.",))
    assert changed.stages == experiments.read(FILE).stages


def test_a_change_that_cannot_be_made_is_refused_by_its_name() -> None:
    with pytest.raises(OptionError, match="FIELD=VALUE"):
        experiments.read(FILE, ["model.family"])
    with pytest.raises(OptionError, match="FIELD=VALUE"):
        experiments.read(FILE, ["a b=1"])
    with pytest.raises(ConfigError, match="sead"):
        experiments.read(FILE, ["sead=2"])
