"""Timing: warm-up, repeated runs, median and tail; prints a table and a JSON line."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Timing:
    """Times of one function in milliseconds, over `runs` runs."""

    name: str
    runs: int
    least: float
    p50: float
    p95: float


def measure(
    things: Mapping[str, Callable[[], object]], *, runs: int, warm_up: int = 3
) -> list[Timing]:
    """Time each function in turn, repeatedly, so that other load affects all of them alike."""
    taken: dict[str, list[float]] = {name: [] for name in things}
    for number in range(warm_up + runs):
        for name, thing in things.items():
            began = time.perf_counter()
            thing()
            if number >= warm_up:
                taken[name].append(1e3 * (time.perf_counter() - began))
    return [summary(name, values) for name, values in taken.items()]


def summary(name: str, milliseconds: list[float]) -> Timing:
    """Return minimum, median and 95th percentile of measured milliseconds."""
    tail = (
        statistics.quantiles(milliseconds, n=20)[-1] if len(milliseconds) > 1 else milliseconds[0]
    )
    return Timing(name, len(milliseconds), min(milliseconds), statistics.median(milliseconds), tail)


def machine() -> dict[str, str | int | None]:
    """Return a description of the machine."""
    return {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}


def report(title: str, timings: list[Timing], **facts: object) -> None:
    """Print a table with the ratio to the first row, then one JSON line."""
    console = Console()
    table = Table("", "runs", "least ms", "p50 ms", "p95 ms", "p50 / first", title=title)
    for t in timings:
        table.add_row(
            t.name, str(t.runs), f"{t.least:.1f}", f"{t.p50:.1f}", f"{t.p95:.1f}",
            f"{t.p50 / timings[0].p50:.2f}",
        )  # fmt: skip
    console.print(table)
    line = {"title": title, "machine": machine(), "timings": [asdict(t) for t in timings]}
    print(json.dumps(line | facts))  # noqa: T201
