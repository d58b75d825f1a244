"""The check of a GPU goes on past what fails, and runs on a CPU as far as it goes there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu_check import Result, Stage, all_stages, run_all
from benchmarks.gpu_stages import Check, Facts, Failed, NotRun


def works(_check: Check, facts: Facts) -> str:
    facts["number"] = 1
    return "done"


def measures_too_much(_check: Check, facts: Facts) -> str:
    facts["number"] = 9
    raise Failed("too much\nand more of it")


def lacks(_check: Check, _facts: Facts) -> str:
    raise NotRun("no such package")


def crashes(_check: Check, _facts: Facts) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def hangs(_check: Check, _facts: Facts) -> str:
    time.sleep(60)
    return "never"


def results(*every: Stage, minutes: float = 1, stage_seconds: float = 30) -> list[Result]:
    check = Check("cpu", Path())
    return list(run_all(check, every, minutes=minutes, stage_seconds=stage_seconds))


@pytest.mark.parametrize(
    ("stage", "status", "message", "number"),
    [
        (works, "ok", "done", 1),
        (measures_too_much, "failed", "Failed: too much", 9),
        (lacks, "not run", "no such package", None),
        (crashes, "failed", "its process ended with code -9", None),
    ],
)
def test_whatever_a_stage_does_is_a_result_and_the_next_one_is_run(
    stage: Callable[[Check, Facts], str], status: str, message: str, number: int | None
) -> None:
    first, second = results(Stage("first", stage), Stage("second", works))

    assert (first.status, first.message, first.facts.get("number")) == (status, message, number)
    assert second.status == "ok"


def test_a_stage_that_hangs_is_stopped() -> None:
    (only,) = results(Stage("first", hangs), stage_seconds=0.2)

    assert (only.status, only.message) == ("failed", "took longer than 0 s and was stopped")


def test_what_has_no_time_left_is_not_run() -> None:
    (only,) = results(Stage("first", works), minutes=0)

    assert (only.status, only.message) == ("not run", "no time left")


def test_what_needs_a_stage_says_why_it_was_not_run() -> None:
    ended = results(
        Stage("broken", measures_too_much),
        Stage("after broken", works, "broken"),
        Stage("absent", lacks),
        Stage("after absent", works, "absent"),
        Stage("last", works, "after absent"),
    )

    messages = {result.name: result.message for result in ended if result.status == "not run"}
    assert messages == {
        "after broken": "broken failed",
        **dict.fromkeys(("absent", "after absent", "last"), "no such package"),
    }


def run_script(file: Path, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    ended = subprocess.run(
        ["scripts/gpu-check", "--json", str(file), *arguments],
        check=False, env=os.environ | {"PYTHON": sys.executable},
    )  # fmt: skip
    return ended.returncode, {r["name"]: r for r in json.loads(file.read_text())["stages"]}


def test_the_script_checks_training_and_engines_on_a_cpu(tmp_path: Path) -> None:
    status, found = run_script(
        tmp_path / "a.json", "--device=cpu", "--quick", "--minutes=30", "--stage-seconds=900"
    )

    assert status == 0
    assert list(found) == [stage.name for stage in all_stages()]
    needing_cuda = {name for name in found if "TensorRT" in name or "memory" in name}
    assert {name for name in found if found[name]["message"] == "no CUDA device"} == needing_cuda
    assert {found[name]["status"] for name in needing_cuda} == {"not run"}
    assert {found[name]["status"] for name in found.keys() - needing_cuda} == {"ok"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_the_script_runs_nothing_and_says_so(tmp_path: Path) -> None:
    status, found = run_script(tmp_path / "a.json")

    assert status == 0
    assert {(r["status"], r["message"]) for r in found.values()} == {("not run", "no CUDA device")}
