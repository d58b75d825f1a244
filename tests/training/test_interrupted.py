"""Whatever ends a run, its checkpoints and its state are whole, and it goes on from the newest."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from ssuformer.errors import ConfigError
from ssuformer.model import checkpoint
from ssuformer.repository import WEIGHTS
from tests.forked import exit_code
from tests.ssuformer.test_whole import killed_at
from tests.training.bench.small_experiment import write_experiment
from tests.training.joint_run import small_run
from tests.training.test_joint import PROGRAM, assert_same, weights
from training.__main__ import app
from training.fit import fit
from training.packs import procedural
from training.saving import STATE, held, write

pytestmark = pytest.mark.usefixtures("one_thread")


def steps_of(folder: Path) -> tuple[int, int, int]:
    """Return the steps of the state and both checkpoints; all are read in full."""
    state = torch.load(folder / STATE, weights_only=True)
    manifests = [checkpoint.load(folder / name)[1] for name in ("checkpoint", "best")]
    return state["step"], manifests[0].steps, manifests[1].steps


def test_a_run_that_is_killed_while_it_saves_has_all_of_the_old_or_the_new(tmp_path: Path) -> None:
    fit(small_run(tmp_path), until=1)
    run = small_run(tmp_path)
    run.step, run.best = 2, -1.0
    found, moment = set(), 0

    while killed_at(moment, lambda: write(run, 0.5)):
        again = small_run(tmp_path)
        found.add(steps_of(tmp_path))
        assert again.step in (1, 2)
        moment += 1

    assert found <= {(1, 1, 1), (1, 2, 1), (1, 2, 2), (2, 2, 2)}
    assert len(found) > 2
    assert steps_of(tmp_path) == (2, 2, 2)


@pytest.mark.parametrize("fits", [False, True], ids=["nothing", "all but the state"])
def test_a_full_disk_ends_a_run_with_what_it_had(tmp_path: Path, *, fits: bool) -> None:
    fit(small_run(tmp_path), until=1)
    run = small_run(tmp_path)
    run.step, run.best = 2, -1.0
    room = (tmp_path / "checkpoint" / WEIGHTS).stat().st_size if fits else 2000

    def saved() -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
        try:
            write(run, 0.5)
        except ConfigError as error:
            return 3 if "cannot be written" in error.message else 4
        return 0

    assert exit_code(saved) == 3
    assert steps_of(tmp_path) == ((1, 2, 2) if fits else (1, 1, 1))
    assert not [*tmp_path.glob("*.part"), *tmp_path.glob("*.old")]
    assert small_run(tmp_path).step == 1


def test_a_run_that_is_killed_at_any_time_ends_with_the_same_weights(tmp_path: Path) -> None:
    fit(small_run(tmp_path / "whole"))
    folder, seen = tmp_path / "parts", 0
    command = [sys.executable, str(PROGRAM), str(folder), "5", "checkpoint_minutes=1e-6"]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}

    for delay in (0.0, 0.3):
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            while running.poll() is None and _step(folder) <= seen:
                time.sleep(0.02)
            time.sleep(delay)
        finally:
            running.send_signal(signal.SIGKILL)
            running.wait()
        assert small_run(folder).step >= max(seen, 1)
        seen = _step(folder)
    fit(small_run(folder, "checkpoint_minutes=1e-6"))

    assert steps_of(folder)[:2] == (5, 5)
    assert_same(weights(tmp_path / "whole"), weights(folder))


def _step(folder: Path) -> int:
    """Return the steps of the newest state, 0 if there is none."""
    if not (folder / STATE).exists():
        return 0
    return int(torch.load(folder / STATE, weights_only=True)["step"])


def test_a_second_command_on_a_run_is_refused(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    procedural.build(pack)
    config, out = write_experiment(tmp_path, pack), tmp_path / "run"
    command = ["fit", str(config), "--out", str(out)]

    with held(out):
        refused = CliRunner().invoke(app, command)
    allowed = CliRunner().invoke(app, command)

    assert refused.exit_code == 1
    assert "another process trains" in refused.output
    assert allowed.exit_code == 0, allowed.output
