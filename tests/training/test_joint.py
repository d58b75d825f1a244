"""A batch gives the same weights however it is split: over processes, over time, over restarts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ssuformer.errors import ConfigError
from tests.training.joint_run import small_run
from training import fit as fitting
from training.batch import Batch, Counting
from training.fit import Run, fit, train_step
from training.joint import share
from training.losses import TrainingLoss

pytestmark = pytest.mark.usefixtures("one_thread")

PROGRAM = Path(__file__).with_name("joint_run.py")


def torchrun(*arguments: str | Path) -> None:
    """Run a Python file or module in two processes on this machine."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        "--nproc-per-node=2", *map(str, arguments),
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Any] = torch.load(folder / "state.pt", weights_only=True)
    return state["model"] | {f"average.{name}": value for name, value in state["average"].items()}


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=2e-4, atol=2e-5, msg=name)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of five steps in one process."""
    folder = tmp_path_factory.mktemp("alone")
    fit(small_run(folder))
    return folder


def test_two_processes_learn_what_one_does(alone: Path, tmp_path: Path) -> None:
    torchrun(PROGRAM, tmp_path, "5")

    began = small_run(tmp_path / "new").model.state_dict()
    moved = [(weights(alone)[name] - began[name]).abs().max() for name in began]
    assert max(moved) > 0.01
    assert_same(weights(alone), weights(tmp_path))


@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_a_run_goes_on_with_another_number_of_processes(
    alone: Path, tmp_path: Path, before: int, after: int
) -> None:
    for processes, until in ((before, 2), (after, 5)):
        if processes == 1:
            fit(small_run(tmp_path), until=until)
        else:
            torchrun(PROGRAM, tmp_path, str(until))

    assert_same(weights(alone), weights(tmp_path))


def test_scenes_of_a_batch_do_not_depend_on_how_it_is_split() -> None:
    whole = [*Counting(100, steps=3, size=4, parts=1, own=[0])]

    halves = [[*Counting(100, steps=3, size=2, parts=2, own=[rank])] for rank in range(2)]
    over_time = [*Counting(100, steps=3, size=1, parts=4, own=range(4))]
    both = [*Counting(100, steps=3, size=1, parts=4, own=range(1, 4, 2))]

    assert whole == over_time == [*range(100, 112)]
    assert halves[0][:4] == [100, 101, 104, 105]
    assert sorted(halves[0] + halves[1]) == whole
    assert both == [101, 103, 105, 107, 109, 111]


def one_batch(run: Run, parts: int) -> list[Batch]:
    """Return the first batch of a run in parts."""
    experiment = run.experiment.model_copy(update={"accumulate": parts})
    run.experiment = experiment
    batches = next(iter(fitting._batches(run, 1, end=float("inf"))))
    assert len(batches) == parts
    return list(batches)


def test_parts_one_after_another_learn_what_one_batch_does(tmp_path: Path) -> None:
    learned, losses = [], []
    for parts in (1, 2, 4):
        # Statistics of BatchNorm are of what is computed at once; so is balance, as its note says.
        run = small_run(tmp_path / str(parts), "losses.balance=0", statistics=False)
        loss = TrainingLoss(run.model, run.experiment.losses)
        losses.append(train_step(run, loss, *one_batch(run, parts)))
        learned.append(run.model.state_dict())

    for other, lost in zip(learned[1:], losses[1:], strict=True):
        assert lost == pytest.approx(losses[0], rel=1e-4)
        assert_same(learned[0], other)


def test_a_batch_that_cannot_be_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a batch of 4 is no multiple of 1 processes x 3 parts"):
        fit(small_run(tmp_path, "accumulate=3"))


def test_a_clip_without_sentences_is_not_described(tmp_path: Path) -> None:
    run = small_run(tmp_path)
    (batch,) = one_batch(run, 1)
    batch.tokens.zero_()

    (shares,) = share([batch], truth_share=0.5, seed=1)
    losses = train_step(run, TrainingLoss(run.model, run.experiment.losses), batch)

    assert not shares.described.any()
    assert losses["caption"] == 0.0
