"""Check training and engines on a GPU, in one command that goes on past what fails.

scripts/gpu-check --install                    # on a machine with a CUDA driver
scripts/gpu-check --device cpu --steps 12 --size 64

Every stage runs in a process of its own, so that a crash or a hang is a result like any other.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel, ConfigDict
from rich.table import Table

from benchmarks import gpu_stages as stages
from benchmarks.gpu_stages import Check, Failed, NotRun, Outcome, Runtime
from model_export.variants import Precision
from ssuformer.terminal import console, replace_unknown_letters

Status = Literal["ok", "failed", "not run"]

LEAST_SECONDS = 5.0
"""A stage is not begun with less time left."""
COLOURS: dict[Status, str] = {"ok": "green", "failed": "bold red", "not run": "yellow"}

RUNTIMES = (
    Runtime("torch", stages.in_torch),
    Runtime("onnxruntime fp32", stages.in_onnx),
    Runtime("onnxruntime fp16", stages.in_onnx, Precision.FP16),
    Runtime("TensorRT fp16", stages.in_plan, Precision.FP16),
    Runtime("TensorRT fp32", stages.in_plan),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the check, and the stages that have to succeed before it."""

    name: str
    run: Callable[[Check], Outcome]
    needs: tuple[str, ...] = ()
    seconds: float = 120.0
    """After this time on a GPU it is stopped."""


class Result(BaseModel):
    """The result of a stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Status
    message: str
    seconds: float = 0.0
    facts: dict[str, Any] = {}


class Report(BaseModel):
    """The results of all stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    began: datetime
    git_revision: str
    seconds: float
    stages: tuple[Result, ...]


def all_stages() -> Iterator[Stage]:
    """Yield the stages in their order; what takes longest and matters least comes last."""
    yield Stage("machine", stages.machine)
    yield Stage("scenes", stages.scenes)
    for preset in ("tiny", "small"):
        yield Stage(f"train {preset}", partial(stages.train, preset=preset), ("machine", "scenes"))
    yield Stage("engines", stages.convert, ("machine", "scenes"))
    for runtime in RUNTIMES:
        needs = "engines"
        if runtime.open is stages.in_plan:
            needs = f"{runtime.name}: build"
            built = partial(stages.build, precision=runtime.precision)
            yield Stage(needs, built, ("engines",), seconds=180.0)
        for what in (stages.parity, stages.latency, stages.memory):
            name = f"{runtime.name}: {what.__name__}"
            yield Stage(name, partial(what, runtime=runtime), (needs,))


def chosen(every: tuple[Stage, ...], only: list[str]) -> frozenset[str]:
    """Return the names of the stages that contain one of `only`, and of those they need."""
    wanted = [s.name for s in every if not only or any(part in s.name for part in only)]
    needs = {stage.name: stage.needs for stage in every}
    found: set[str] = set()
    while wanted:
        found.add(name := wanted.pop())
        wanted += needs[name]
    return frozenset(found)


def run_all(
    check: Check, every: tuple[Stage, ...], only: frozenset[str], *, minutes: float
) -> Iterator[Result]:
    """Yield the result of each stage; in `minutes` all is over."""
    end = time.monotonic() + 60 * minutes
    ended: dict[str, Result] = {}
    for stage in every:
        left = end - time.monotonic()
        missing = [ended[need] for need in stage.needs if ended[need].status != "ok"]
        why = "not asked for" if stage.name not in only else _why_not(missing, left)
        if why:
            result = Result(name=stage.name, status="not run", message=why)
        else:
            seconds = min(stage.seconds, left) if check.on_gpu else left
            result = run_apart(stage, check, seconds=seconds)
        ended[stage.name] = result
        yield result


def _why_not(missing: list[Result], left: float) -> str:
    """Return why a stage cannot be run, or nothing."""
    if missing:
        first = missing[0]
        return f"{first.name} failed" if first.status == "failed" else first.message
    return "no time left" if left < LEAST_SECONDS else ""


def run_apart(stage: Stage, check: Check, *, seconds: float) -> Result:
    """Run a stage in a process of its own for at most this time."""
    # Forked, so that nothing is imported again; this process never uses torch or a GPU itself.
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    began = time.monotonic()
    process = context.Process(target=_report, args=(stage, check, sender))
    process.start()
    sender.close()
    status: Status = "failed"
    message, facts = f"took longer than {seconds:.0f} s and was stopped", {}
    if receiver.poll(seconds):
        try:
            status, message, facts = receiver.recv()
        except EOFError:
            process.join()
            message = f"its process ended with code {process.exitcode}"
    else:
        process.kill()
    process.join()
    taken = round(time.monotonic() - began, 1)
    return Result(name=stage.name, status=status, message=message, seconds=taken, facts=facts)


def _report(stage: Stage, check: Check, sender: Connection) -> None:
    """Run a stage and send what came of it; everything that it raises is a result."""
    status: Status = "ok"
    facts: dict[str, Any] = {}
    try:
        outcome = stage.run(check)
        message, facts = outcome.message, outcome.facts
    except NotRun as reason:
        status, message = "not run", str(reason)
    except Failed as failure:
        status, message, facts = "failed", str(failure), failure.facts
    except Exception as error:
        lines = str(error).splitlines() or ["no message"]
        status, message = "failed", f"{type(error).__name__}: {lines[0]}"
        facts = {"error": str(error)}
    sender.send((status, message, facts))


def _revision() -> str:
    with suppress(OSError, subprocess.CalledProcessError):
        question = ["git", "rev-parse", "--short=12", "HEAD"]
        return subprocess.run(question, capture_output=True, text=True, check=True).stdout.strip()
    return "unknown"


def _table(report: Report) -> Table:
    table = Table("stage", "result", "s", "", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for result in report.stages:
        colour = COLOURS[result.status]
        seconds = f"{result.seconds:.0f}" if result.seconds else ""
        table.add_row(result.name, f"[{colour}]{result.status}[/]", seconds, result.message)
    return table


app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def main(
    device: Annotated[str, typer.Option(help="`cuda`, `cuda:1`, or `cpu`.")] = "cuda",
    json: Annotated[Path, typer.Option(help="The file for all results.")] = Path("gpu-check.json"),
    minutes: Annotated[float, typer.Option(help="In this time all is over.")] = 7.5,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Stages whose name contains this, and what they need; repeatable."),
    ] = None,
    steps: Annotated[int, typer.Option(min=4, help="Training steps per precision.")] = 60,
    size: Annotated[int, typer.Option(min=64, help="Side of the training scenes, pixels.")] = 224,
    scenes: Annotated[int, typer.Option(min=4, help="Training scenes.")] = 16,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs at each batch size.")] = 30,
    folder: Annotated[
        Path | None, typer.Option(help="Keep engines and plans in this folder.")
    ] = None,
) -> None:
    """Check training and engines on a device, and write every result into one JSON file.

    Trains the presets tiny and small from random weights in float32 and bfloat16; runs both
    engines in torch, onnxruntime and TensorRT, compares them with the CPU, times them, and watches
    the GPU's memory over mixed shapes. Goes on past a stage that fails; the exit status is 1 then.

    Examples:

    `scripts/gpu-check --install`

    `scripts/gpu-check --only train --json out/train.json`

    `scripts/gpu-check --device cpu --steps 12 --size 64 --scenes 4 --runs 1`
    """
    began = time.monotonic()
    every = tuple(all_stages())
    report = Report(
        device=device, began=datetime.now(UTC), git_revision=_revision(), seconds=0.0, stages=()
    )
    json.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = folder or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        check = Check(device, work, steps=steps, size=size, scenes=scenes, runs=runs)
        for result in run_all(check, every, chosen(every, only or []), minutes=minutes):
            done = {"stages": (*report.stages, result), "seconds": time.monotonic() - began}
            report = report.model_copy(update=done)
            # Now, as whoever lends the machine may end this at any time.
            json.write_text(report.model_dump_json(indent=1) + "\n")
            console(errors=True).print(f"{result.name}: {result.status}, {result.message}")
    console().print(_table(report))
    console().print(f"all results: {json}")
    sys.exit(any(result.status == "failed" for result in report.stages))


if __name__ == "__main__":
    replace_unknown_letters()
    app()
