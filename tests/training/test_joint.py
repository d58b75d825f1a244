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

from tests.training.joint_run import small_run
from training.fit import fit

PROGRAM = Path(__file__).with_name("joint_run.py")


def torchrun(*arguments: str | Path, processes: int = 2) -> None:
    """Run a Python file or module in several processes on this machine."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone",
        f"--nproc-per-node={processes}", *map(str, arguments),
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
