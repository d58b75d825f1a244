"""Check training and engines on a GPU: goes on past what fails, and says all of it at the end.

scripts/gpu-check --json out/gpu-check.json

Every stage runs in a process of its own, so that a crash or a hang is a result like any other.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.markup import escape
from rich.table import Table

from benchmarks import gpu_stages as stages
from benchmarks.gpu_stages import Check, Facts, NotRun, Runtime
from model_export.variants import Precision
from ssuformer.terminal import console, replace_unknown_letters

LEAST_SECONDS = 5.0
"""A stage is not begun with less time left."""
COLOURS = {"ok": "green", "failed": "bold red", "not run": "yellow"}

RUNTIMES = (
    Runtime("torch", stages.in_torch),
    Runtime("onnxruntime fp32", stages.in_onnx),
    Runtime("onnxruntime fp16", stages.in_onnx, Precision.FP16),
    Runtime("TensorRT fp16", stages.in_plan, Precision.FP16),
    Runtime("TensorRT fp32", stages.in_plan),
)


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the check: returns what it found in a line, and notes the numbers."""

    name: str
    run: Callable[[Check, Facts], str]
    needs: str = ""
    """The stage that has to succeed before it."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a stage."""

    name: str
    status: Literal["ok", "failed", "not run"]
    message: str
    seconds: float = 0.0
    facts: Facts = field(default_factory=dict)


def all_stages() -> Iterator[Stage]:
    """Yield the stages in their order; what takes longest and matters least comes last."""
    yield Stage("machine", stages.machine)
    yield Stage("scenes", stages.scenes, "machine")
    yield Stage("training", stages.train, "scenes")
    yield Stage("engines", stages.convert, "scenes")
    for runtime in RUNTIMES:
        needs = "engines"
        if runtime.open is stages.in_plan:
            needs = f"{runtime.name}: build"
            yield Stage(needs, partial(stages.build, runtime=runtime), "engines")
        for what in (stages.parity, stages.latency, stages.memory):
            name = f"{runtime.name}: {what.__name__}"
            yield Stage(name, partial(what, runtime=runtime), needs)


def run_all(
    check: Check, every: tuple[Stage, ...], *, minutes: float, stage_seconds: float
) -> Iterator[Result]:
    """Yield the result of each stage; in `minutes` all is over."""
    end = time.monotonic() + 60 * minutes
    ended: dict[str, Result] = {}
    for stage in every:
        left = end - time.monotonic()
        need = ended.get(stage.needs)
        if need and need.status != "ok":
            why = need.message if need.status == "not run" else f"{need.name} failed"
            result = Result(stage.name, "not run", why)
        elif left < LEAST_SECONDS:
            result = Result(stage.name, "not run", "no time left")
        else:
            result = _run_apart(stage, check, seconds=min(stage_seconds, left))
        ended[stage.name] = result
        yield result


def _run_apart(stage: Stage, check: Check, *, seconds: float) -> Result:
    """Run a stage in a process of its own for at most this time."""
    # Forked, so that nothing is imported again; this process never uses torch or a GPU itself.
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    began = time.monotonic()
    process = context.Process(target=_report, args=(stage, check, sender))
    process.start()
    sender.close()
    result = Result(stage.name, "failed", f"took longer than {seconds:.0f} s and was stopped")
    if receiver.poll(seconds):
        try:
            result = receiver.recv()
        except EOFError:
            process.join()
            message = f"its process ended with code {process.exitcode}"
            result = Result(stage.name, "failed", message)
    process.kill()
    process.join()
    taken = round(time.monotonic() - began, 1)
    return Result(stage.name, result.status, result.message, taken, result.facts)


def _report(stage: Stage, check: Check, sender: Connection) -> None:
    """Run a stage and send what came of it; everything that it raises is a result."""
    facts: Facts = {}
    try:
        result = Result(stage.name, "ok", stage.run(check, facts), facts=facts)
    except NotRun as reason:
        result = Result(stage.name, "not run", str(reason))
    except Exception as error:
        first_line = str(error).partition("\n")[0]
        why = f"{type(error).__name__}: {first_line}"
        facts["traceback"] = traceback.format_exc()
        result = Result(stage.name, "failed", why, facts=facts)
    sender.send(result)


def _table(results: list[Result]) -> Table:
    table = Table("stage", "result", "s", "", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for result in results:
        status = f"[{COLOURS[result.status]}]{result.status}[/]"
        seconds = f"{result.seconds:.0f}" if result.seconds else ""
        table.add_row(result.name, status, seconds, escape(result.message))
    return table


def main(
    device: Annotated[str, typer.Option(help="`cuda`, `cuda:1`, or `cpu`.")] = "cuda",
    out: Annotated[Path, typer.Option("--json", help="The file for all results.")] = Path(
        "out/gpu-check.json"
    ),
    minutes: Annotated[float, typer.Option(help="In this time all is over.")] = 7.5,
    stage_seconds: Annotated[float, typer.Option(help="Then a stage is stopped.")] = 150.0,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="As little as possible of all.")] = False,
) -> None:
    """Check training and engines on a device, and write every result into one JSON file.

    Trains the preset small from random weights in float32 and bfloat16; runs both engines in torch,
    onnxruntime and TensorRT, compares them with the CPU, times them, and watches the GPU's memory
    over mixed shapes. Goes on past a stage that fails; the exit status is 1 then.

    Example: `scripts/gpu-check --json out/gpu-check.json`
    """
    began = datetime.now(UTC).isoformat(timespec="seconds")
    results: list[Result] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        least = {"steps": 4, "size": 64, "batches": 1, "runs": 1} if quick else {}
        check = Check(device, Path(folder), **least)
        every = tuple(all_stages())
        for result in run_all(check, every, minutes=minutes, stage_seconds=stage_seconds):
            results.append(result)
            # Now, as whoever lends the machine may end this at any time.
            report = {"device": device, "began": began, "stages": [asdict(r) for r in results]}
            out.write_text(json.dumps(report, indent=1) + "\n")
            console(errors=True).print(
                f"{result.name}: {result.status}: {result.message}", markup=False
            )
    console().print(_table(results))
    console().print(f"all results: {out}")
    sys.exit(any(result.status == "failed" for result in results))


if __name__ == "__main__":
    replace_unknown_letters()
    typer.run(main)
