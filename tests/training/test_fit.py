"""Training learns, saves, and goes on exactly where it stopped."""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

import pytest
import torch

from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint
from tests.training.small_pack import SmallPack
from training import experiment as experiments
from training import fit as fitting
from training.batch import SceneTensors, batches
from training.experiment import Experiment, Stage
from training.fit import Precision, Run, fit, open_device, start, train_step
from training.joint import share
from training.losses import LossWeights, TrainingLoss

ALL_LOSSES = LossWeights(queries_apart=1.0, masks_apart=1.0)

SIZES: dict[str, bool | int | float | str | tuple[int, ...]] = {
    "channels": 32,
    "heads": 2,
    "queries": 4,
    "caption_layers": 1,
    "detail_tokens": 2,
}


def small_experiment(**changes: object) -> Experiment:
    fields = {
        "name": "small",
        "model": SIZES,
        "stages": (
            Stage(size=64, seconds=2, batch=2, steps=3),
            Stage(size=96, seconds=2, batch=2, steps=2),
        ),
        "workers": 0,
        "warmup_steps": 2,
        "validation_scenes": 2,
    }
    return Experiment.model_validate(fields | changes)


PRECISION: Precision = os.environ.get("SSU_TEST_PRECISION", "auto")  # type: ignore[assignment]
"""What every test here trains in: set SSU_TEST_PRECISION to force it on any processor."""


def begin(folder: Path, precision: Precision = PRECISION, **changes: object) -> Run:
    return start(
        small_experiment(**changes), SmallPack(), folder, torch.device("cpu"), precision=precision  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_run_that_was_stopped_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole")
    fit(whole)

    for until in (1, 4, None):
        fit(begin(tmp_path / "parts"), until=until)

    expected, _ = checkpoint.load(tmp_path / "whole" / "checkpoint")
    model, manifest = checkpoint.load(tmp_path / "parts" / "checkpoint")
    assert manifest.steps == 5
    for (name, value), same in zip(
        expected.state_dict().items(), model.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(same, value, rtol=0, atol=0, msg=name)


def test_a_run_stops_after_its_minutes_with_all_saved_and_goes_on(tmp_path: Path) -> None:
    run = begin(tmp_path)
    fit(run, minutes=0)

    _, manifest = checkpoint.load(tmp_path / "checkpoint")
    assert manifest.steps == begin(tmp_path).step == 1
    fit(begin(tmp_path))
    assert checkpoint.load(tmp_path / "checkpoint")[1].steps == run.experiment.steps


def test_several_processes_get_no_limit_in_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")

    with pytest.raises(ConfigError, match="for one process"):
        fit(run, minutes=9)


def test_a_run_may_begin_from_random_weights_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_model: object) -> None:
        raise ConfigError("no published weights here")

    monkeypatch.setattr("training.fit.load_published", refuse)

    run = start(
        small_experiment(preset="small", model={}, published=False), SmallPack(), tmp_path,  # type: ignore[arg-type]
        torch.device("cpu"),
    )  # fmt: skip

    assert run.origin.published == ()


def test_random_weights_are_not_those_of_a_folder_either(tmp_path: Path) -> None:
    pvt = {
        "vision": "pvt_v2", "vision_widths": (16, 32, 40, 64), "vision_depths": (1, 1, 1, 1),
        "vision_weights": f"{tmp_path}/nowhere",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="nowhere"):
        begin(tmp_path, model=SIZES | pvt)

    run = begin(tmp_path, model=SIZES | pvt, published=False)

    assert run.config.vision_weights is None


@pytest.mark.parametrize("precision", get_args(Precision))
def test_the_loss_of_one_scene_falls_in_every_precision(
    tmp_path: Path, precision: Precision
) -> None:
    run = begin(tmp_path, precision, stages=(Stage(size=64, seconds=2, batch=2, steps=60),))
    task = run.task
    scenes = SceneTensors(
        task.scenes(run.experiment.stages[0], "train"), task.categories, task.tokenizer, 28
    )
    (batch,) = batches(scenes, first=0, steps=1, size=2, workers=0)
    objective = TrainingLoss(run.model, run.experiment.losses)

    losses = [train_step(run, objective, batch)["total"] for _ in range(40)]

    assert losses[-1] < 0.5 * losses[0]


def test_a_run_says_where_its_checkpoint_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(begin(tmp_path), until=1)

    assert f"step 1 of 5: saved in {tmp_path / 'checkpoint'}" in capsys.readouterr().out


def test_a_run_of_another_model_is_not_overwritten(tmp_path: Path) -> None:
    fit(begin(tmp_path), until=1)

    with pytest.raises(ConfigError, match="another model"):
        begin(tmp_path, model=SIZES | {"queries": 5})


@pytest.mark.parametrize(
    ("field", "value"),
    [("learning_rate", 0.5), ("seed", 1), ("stages", [{"size": 64, "steps": 9}])],
)
def test_a_run_does_not_go_on_with_an_experiment_that_says_something_else(
    tmp_path: Path, field: str, value: object
) -> None:
    fit(begin(tmp_path), until=1)

    with pytest.raises(ConfigError, match=f"{field} = "):
        begin(tmp_path, PRECISION, **{field: value})


def test_a_run_may_go_on_with_more_workers(tmp_path: Path) -> None:
    fit(begin(tmp_path), until=1)

    assert begin(tmp_path, workers=2).step == 1


def test_every_loss_is_float32_whatever_the_model_computed_in(tmp_path: Path) -> None:
    run = begin(tmp_path, "bfloat16")
    task = run.task
    scenes = SceneTensors(
        task.scenes(run.experiment.stages[0], "train"), task.categories, task.tokenizer, 28
    )
    (batch,) = batches(scenes, first=0, steps=1, size=2, workers=0)

    with torch.autocast("cpu", torch.bfloat16):
        losses = TrainingLoss(run.model, ALL_LOSSES)(
            batch, *share([batch], truth_share=0.5, seed=0)
        )

    assert {name: loss.dtype for name, loss in losses.items()} == dict.fromkeys(
        losses, torch.float32
    )


def test_a_new_run_may_begin_from_a_checkpoint(tmp_path: Path) -> None:
    fit(begin(tmp_path / "first"), until=1)
    folder = tmp_path / "first" / "checkpoint"

    run = start(
        small_experiment(), SmallPack(), tmp_path / "second", torch.device("cpu"), folder  # type: ignore[arg-type]
    )  # fmt: skip

    weights, _ = checkpoint.load(folder)
    name = "masks.seeds"
    assert torch.equal(run.model.state_dict()[name], weights.state_dict()[name])
    assert run.step == 0


def test_a_run_with_frozen_parts_saves_what_it_learns_and_goes_on_from_the_same_ones(
    tmp_path: Path,
) -> None:
    fit(begin(tmp_path / "base"), until=1)

    def go_on(name: str, base: Path | None = tmp_path / "base/checkpoint") -> Run:
        experiment = small_experiment(frozen=("vision.",))
        return start(experiment, SmallPack(), tmp_path / name, torch.device("cpu"), base)  # type: ignore[arg-type]

    fit(go_on("whole"), until=3)
    fit(go_on("parts"), until=2)
    fit(go_on("parts"), until=3)

    state = torch.load(tmp_path / "parts/state.pt", weights_only=True)
    assert not any(n.startswith("vision.") for n in [*state["model"], *state["average"]])
    expected, model = (
        checkpoint.load(tmp_path / run / "checkpoint")[0].state_dict() for run in ("whole", "parts")
    )
    assert all(torch.equal(model[name], value) for name, value in expected.items())
    with pytest.raises(ConfigError, match="other frozen weights: say with --begin"):
        go_on("parts", None)


def test_best_is_the_checkpoint_with_the_highest_j_over_interruptions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []

    for until, j in enumerate((0.4, 0.6, 0.5, 0.7), start=1):
        monkeypatch.setattr(fitting, "validate", lambda _, j=j: j)
        fit(begin(tmp_path), until=until)
        kept.append(checkpoint.load(tmp_path / "best")[1].steps)

    assert kept == [1, 2, 2, 4]
    assert Manifest.read(tmp_path / "checkpoint").steps == 4


def test_a_run_that_an_older_version_saved_goes_on(tmp_path: Path) -> None:
    fit(begin(tmp_path), until=1)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    del state["best"], state["origin"]
    torch.save(state, tmp_path / "state.pt")

    fit(begin(tmp_path), until=2)

    assert Manifest.read(tmp_path / "best").steps == 2


def test_a_run_from_before_a_field_of_the_model_was_there_goes_on(tmp_path: Path) -> None:
    fit(begin(tmp_path), until=1)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    state["config"] = state["config"].replace('"family":"ssuformer",', "")
    torch.save(state, tmp_path / "state.pt")

    assert "family" not in state["config"]
    assert begin(tmp_path).step == 1


@pytest.mark.parametrize("kept", [0, 100, 20_000])
def test_a_damaged_state_is_named(tmp_path: Path, kept: int) -> None:
    fit(begin(tmp_path), until=1)
    state = tmp_path / "state.pt"
    state.write_bytes(state.read_bytes()[:kept])

    with pytest.raises(ConfigError, match=r"state\.pt is damaged"):
        begin(tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    fit(begin(tmp_path), until=1)
    folder = tmp_path / "checkpoint"
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")

    with pytest.raises(ConfigError, match="digest"):
        checkpoint.load(folder)


@pytest.mark.parametrize(
    "path", sorted(Path("training/configs").glob("*.toml")), ids=lambda path: path.stem
)
def test_every_experiment_file_is_read_and_begins_with_its_command(path: Path) -> None:
    experiment = experiments.read(path)

    first = path.read_text().splitlines()[0]
    assert first.startswith(f"# python -m training fit {path} --out runs/")
    assert experiment.steps > 0


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    experiment = small_experiment(
        stages=(Stage(size=64, steps=100),), warmup_steps=10, decay_share=0.5
    )

    rates = [experiment.rate_at(step) / experiment.learning_rate for step in (0, 9, 40, 75, 99)]

    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.02])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("size = 224", "size = 60", "stages.0.size is 60: Input should be a multiple of 32"),
        ('name = "tiny"', 'nmae = "tiny"', "nmae is 'tiny': Extra inputs are not permitted"),
        ("seed = 3", "seed =", "Invalid value"),
    ],
)
def test_a_wrong_experiment_is_refused_in_one_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(Path("training/configs/tiny.toml").read_text().replace(old, new, 1))

    with pytest.raises(ConfigError, match=message) as refused:
        experiments.read(file)

    assert str(file) in refused.value.message
    assert "\n" not in refused.value.message


def test_an_unknown_option_of_the_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="colour is 'red': Extra inputs"):
        begin(tmp_path, PRECISION, model={"colour": "red"})


def test_weights_of_vision_that_are_not_there_are_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    with pytest.raises(ConfigError, match=r"vision_weights .*missing"):
        begin(tmp_path, PRECISION, model={"vision": "pvt_v2", "vision_weights": missing})


@pytest.mark.parametrize("name", ["cuda:99", "warp"])
def test_a_device_that_is_not_there_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(ConfigError, match=f"device '{name}' cannot be used here"):
        open_device(name)
