"""The check of a GPU goes on past what fails, and runs on a CPU as far as it goes there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu_check import Report, Stage, all_stages, chosen, run_all
from benchmarks.gpu_stages import Check, Failed, NotRun, Outcome

CHECK = Check("cpu", Path())


def works(_check: Check) -> Outcome:
    return Outcome("done", {"number": 1})


def raises(_check: Check) -> Outcome:
    raise ValueError("a reason\nand more of it")


def measures_too_much(_check: Check) -> Outcome:
    raise Failed("too much", {"number": 9})


def lacks(_check: Check) -> Outcome:
    raise NotRun("no such package")


def crashes(_check: Check) -> Outcome:
    os.kill(os.getpid(), signal.SIGKILL)
    return Outcome("never")


def hangs(_check: Check) -> Outcome:
    time.sleep(60)
    return Outcome("never")


@pytest.mark.parametrize(
    ("stage", "status", "message", "facts"),
    [
        (works, "ok", "done", {"number": 1}),
        (raises, "failed", "ValueError: a reason", {"error": "a reason\nand more of it"}),
        (measures_too_much, "failed", "too much", {"number": 9}),
        (lacks, "not run", "no such package", {}),
        (crashes, "failed", "its process ended with code -9", {}),
    ],
)
def test_whatever_a_stage_does_is_a_result_and_the_next_one_is_run(
    stage: object, status: str, message: str, facts: dict[str, object]
) -> None:
    every = (Stage("first", stage), Stage("second", works))  # type: ignore[arg-type]

    first, second = run_all(CHECK, every, chosen(every, []), minutes=1)

    assert (first.status, first.message, first.facts) == (status, message, facts)
    assert second.status == "ok"


def test_a_stage_that_hangs_on_a_gpu_is_stopped() -> None:
    every = (Stage("first", hangs, seconds=0.2), Stage("second", works))

    first, second = run_all(Check("cuda", Path()), every, chosen(every, []), minutes=1)

    assert (first.status, first.message) == ("failed", "took longer than 0 s and was stopped")
    assert second.status == "ok"


def test_what_has_no_time_left_is_not_run() -> None:
    every = (Stage("first", works),)

    (only,) = run_all(CHECK, every, chosen(every, []), minutes=0)

    assert (only.status, only.message) == ("not run", "no time left")


def test_what_needs_a_stage_says_why_it_was_not_run() -> None:
    every = (
        Stage("broken", raises),
        Stage("absent", lacks),
        Stage("after broken", works, ("broken",)),
        Stage("after absent", works, ("absent",)),
        Stage("last", works, ("after absent",)),
    )

    results = {
        result.name: result for result in run_all(CHECK, every, chosen(every, []), minutes=1)
    }

    assert results["after broken"].message == "broken failed"
    assert results["after absent"].message == results["last"].message == "no such package"
    assert {results[name].status for name in ("after broken", "after absent")} == {"not run"}


def test_a_chosen_stage_brings_what_it_needs() -> None:
    every = tuple(all_stages())

    assert chosen(every, ["train tiny"]) == {"train tiny", "machine", "scenes"}
    assert chosen(every, []) == {stage.name for stage in every}
    assert {"engines", "TensorRT fp16: build"} < chosen(every, ["TensorRT fp16: memory"])


def test_the_script_checks_training_and_engines_on_a_cpu(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    smallest = ["--device=cpu", "--steps=4", "--size=64", "--scenes=4", "--runs=1", "--minutes=9"]

    ended = subprocess.run(
        ["scripts/gpu-check", *smallest, "--json", str(file)],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHON": sys.executable},
    )  # fmt: skip

    assert ended.returncode == 0, ended.stdout + ended.stderr
    results = {result.name: result for result in Report.model_validate(read(file)).stages}
    needing_cuda = [name for name in results if "TensorRT" in name or "memory" in name]
    assert {(results[name].status, results[name].message) for name in needing_cuda} == {
        ("not run", "no CUDA device")
    }
    assert {r.status for name, r in results.items() if name not in needing_cuda} == {"ok"}
    assert results["train small"].facts["apart"] < 0.1
    assert set(results) == {stage.name for stage in all_stages()}
    assert "TensorRT fp16: build" in ended.stdout


def test_a_device_that_is_not_there_fails_in_the_first_stage(tmp_path: Path) -> None:
    file = tmp_path / "results.json"

    ended = subprocess.run(
        ["scripts/gpu-check", "--device", "cuda:99", "--only", "machine", "--only", "train tiny",
         "--json", str(file)],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHON": sys.executable},
    )  # fmt: skip

    results = {result.name: result for result in Report.model_validate(read(file)).stages}
    assert ended.returncode == 1
    assert "cuda:99" in results["machine"].message
    assert results["train tiny"].message == "machine failed"
    assert results["engines"].message == "not asked for"


def read(file: Path) -> object:
    return json.loads(file.read_text())
