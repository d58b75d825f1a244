"""What a clip costs more as a job than as a request: processor time and seconds, by store.

Clips are sent in rounds, each as requests and as jobs, so that other load affects both alike. The
seconds of a job are those from when it was sent to its end, by the store's clock, one at a time.

python -m benchmarks.job_costs --engine fake --clips 40
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.film import write_film
from benchmarks.served import Served, Store, StoreKind, serving, storing_jobs
from benchmarks.timing import machine

SAMPLE = Path("samples/lifescene-change.mp4")
HEIGHT, WIDTH, SECONDS = 360, 640, 10
STORES: tuple[StoreKind, ...] = ("sqlite", "postgresql")
_LOOK_SECONDS = 0.25


def main(
    engine: Annotated[str, typer.Option(help="`onnx`, or `fake`: overhead alone.")] = "fake",
    clips: Annotated[int, typer.Option(help="Clips of a round.")] = 20,
    rounds: Annotated[int, typer.Option(help="Rounds for each store.")] = 3,
    idle: Annotated[int, typer.Option(help="Seconds without any clip.")] = 20,
) -> None:
    """Measure, print a table, then one JSON line."""
    with tempfile.TemporaryDirectory() as name:
        clip = Path(name) / "clip.mp4"
        write_film(SAMPLE, clip, seconds=SECONDS, height=HEIGHT, width=WIDTH)
        rows = [
            measured(kind, clip, engine=engine, clips=clips, rounds=rounds, idle=idle)
            for kind in STORES
        ]
    table = Table(title=f"a clip of {SECONDS} s, {engine}; ms")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=160).print(table)
    facts = {"engine": engine, "clips": clips, "rounds": rounds, "rows": rows}
    print(json.dumps(facts | machine()))  # noqa: T201


def measured(
    kind: StoreKind, clip: Path, *, engine: str, clips: int, rounds: int, idle: int
) -> dict[str, str | float]:
    """Return what requests and jobs cost with a store, in milliseconds for each clip."""
    folder = clip.parent / f"{kind}-jobs"
    folder.mkdir()
    with (
        storing_jobs(kind, clip.parent) as store,
        serving(folder, "--engine", engine, store=store) as gateway,
    ):
        in_turn(gateway, clip, 3)
        requests, jobs = [], []
        for _ in range(rounds):
            requests.append(cost(gateway, store, lambda: in_turn(gateway, clip, clips)))
            jobs.append(cost(gateway, store, lambda: as_jobs(gateway, clip, clips)))
        waits = [as_jobs(gateway, clip, 1) for _ in range(clips)]
        began = time.perf_counter()
        in_turn(gateway, clip, clips)
        at_once = (time.perf_counter() - began) / clips
        nothing = cost(gateway, store, lambda: time.sleep(idle))
    pairs = zip(requests, jobs, strict=True)
    more = [(b[0] - a[0]) / clips for a, b in pairs]
    return {
        "store": kind,
        "request, processor": milliseconds(statistics.median(one[0] / clips for one in requests)),
        "job, processor": milliseconds(statistics.median(one[0] / clips for one in jobs)),
        "more, median of rounds": milliseconds(statistics.median(more)),
        "more, least to most": f"{milliseconds(min(more))} to {milliseconds(max(more))}",
        "database": milliseconds(statistics.median(one[1] / clips for one in jobs)),
        "request, seconds": milliseconds(at_once),
        "job, seconds": milliseconds(statistics.median(waits)),
        "idle, per second": milliseconds(nothing[0] / idle),
    }


def cost(gateway: Served, store: Store, act: Callable[[], object]) -> tuple[float, float]:
    """Return the processor seconds of a gateway and of its database while something is done."""
    before = gateway.usage().cpu_seconds, store.cpu_seconds
    act()
    return gateway.usage().cpu_seconds - before[0], store.cpu_seconds - before[1]


def in_turn(gateway: Served, clip: Path, clips: int) -> None:
    """Ask for a clip again and again."""
    for _ in range(clips):
        gateway.understand(clip)


def as_jobs(gateway: Served, clip: Path, clips: int) -> float:
    """Send a clip as so many jobs, wait for the last, fetch results; return the last's seconds."""
    numbers = [gateway.send(clip) for _ in range(clips)]
    for number in numbers:
        while gateway.job(number)["state"] != "done":
            time.sleep(_LOOK_SECONDS)
        gateway.result(number)
    told = gateway.job(numbers[-1])
    sent, ended = (datetime.fromisoformat(told[when]) for when in ("created", "finished"))
    return (ended - sent).total_seconds()


def milliseconds(seconds: float) -> float:
    """Return milliseconds, rounded."""
    return round(1e3 * seconds, 1)


if __name__ == "__main__":
    typer.run(main)
