"""More clips than the service can work on, with stalled uploads, leavers and killed processes.

First its capacity is measured, then a multiple of it arrives, whatever becomes of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import psutil
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from benchmarks.gateway import clips_of
from benchmarks.load import arrivals
from benchmarks.overloading.trouble import kill_children, stall
from benchmarks.overloading.watcher import Watched, quantile, watching
from benchmarks.timing import machine
from service.cli.temporary_service import free_port
from ssuformer.errors import EngineUnavailable

LIVE_MS = 100.0
"""Within which `/livez` has to answer."""
LEAST_THROUGHPUT = 0.8
"""Of the capacity, that has to remain."""
_METRICS_SECONDS = 30.0
_KIND = {"Content-Type": "video/mp4"}
_CLIENTS = tuple(f"127.0.0.{number}" for number in range(2, 10))
_TROUBLEMAKER = "127.0.0.20"
_METRICS = ("ssu_decode_child_exits", "ssu_admission_rejected", "ssu_connections_refused")

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@dataclass(frozen=True, slots=True)
class Running:
    """A service process of its own."""

    port: int
    metrics_port: int
    process: psutil.Process
    deadline: float

    @property
    def address(self) -> str:
        """Where clips are sent to."""
        return f"http://127.0.0.1:{self.port}"

    def counted(self) -> dict[str, float]:
        """Return the counters that matter, and how late the event loop was, from its metrics."""
        address = f"http://127.0.0.1:{self.metrics_port}/metrics"
        text = httpx.get(address, trust_env=False, timeout=_METRICS_SECONDS).text
        found = {}
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                wanted = family.name in _METRICS and one.name.endswith("_total")
                if (wanted or one.name == "ssu_event_loop_lag_seconds_bucket") and one.value:
                    found[" ".join([family.name, *one.labels.values()])] = one.value
        return found


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one clip: a status, `left` on purpose, or `lost` without an answer."""

    end: str
    seconds: float


@contextmanager
def service(*, workers: int, queue: int, deadline: float, engine: str) -> Iterator[Running]:
    """Start a service and stop it at the end; raise EngineUnavailable if it does not start."""
    port, metrics = free_port(), free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--engine", engine]
    command += ["--port", str(port), "--metrics-port", str(metrics)]
    command += ["--workers", str(workers), "--queue", str(queue)]
    environment = os.environ | {"SSU_DEADLINE_SECONDS": str(deadline)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        _wait_for(f"http://127.0.0.1:{port}/readyz", process)
        yield Running(port, metrics, psutil.Process(process.pid), deadline)
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    transport = httpx.HTTPTransport(retries=60)
    with httpx.Client(transport=transport, trust_env=False, timeout=_METRICS_SECONDS) as client:
        while client.get(address).status_code != httpx.codes.OK:
            if process.poll() is not None:
                raise EngineUnavailable(f"the service ended with status {process.returncode}")
            time.sleep(0.1)


@asynccontextmanager
async def clients(running: Running) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Open clients with addresses of their own, which the service tells apart."""
    opened = [
        httpx.AsyncClient(
            base_url=running.address,
            timeout=running.deadline + 60,
            transport=httpx.AsyncHTTPTransport(
                local_address=host, limits=httpx.Limits(max_connections=None)
            ),
        )
        for host in _CLIENTS
    ]
    try:
        yield opened
    finally:
        await asyncio.gather(*(one.aclose() for one in opened))


async def post(client: httpx.AsyncClient, clip: bytes, patience: float | None = None) -> Sent:
    """Post a clip; leave after some seconds if there is a patience."""
    began = time.perf_counter()
    try:
        async with asyncio.timeout(patience):
            answer = await client.post("/understand", content=clip, headers=_KIND)
            end = str(answer.status_code)
    except TimeoutError:
        end = "left"
    except httpx.TransportError as error:
        end = f"lost: {type(error).__name__}"
    return Sent(end, time.perf_counter() - began)


async def capacity(running: Running, clips: list[bytes], seconds: float, together: int) -> float:
    """Return the clips per second that are answered when some are always waiting.

    Raises EngineUnavailable if none is.
    """
    answered, end = 0, time.perf_counter() + seconds
    began = time.perf_counter()

    async def keep_sending(client: httpx.AsyncClient, number: int) -> None:
        nonlocal answered
        while time.perf_counter() < end:
            sent = await post(client, clips[number % len(clips)])
            answered += sent.end == "200"
            number += 1

    async with clients(running) as some:
        await asyncio.gather(*(keep_sending(some[i % len(some)], i) for i in range(together)))
    if not answered:
        raise EngineUnavailable("no clip was answered while the capacity was measured")
    return answered / (time.perf_counter() - began)


async def overload(
    running: Running, clips: list[bytes], *, per_second: float, seconds: float, leavers: float
) -> tuple[list[Sent], float]:
    """Send clips at a rate, whatever becomes of them; return that, and the seconds until the end.

    A share of the clients, `leavers`, does not wait for the answer.
    """
    chance = random.Random(1)
    async with clients(running) as some:
        began, tasks = time.perf_counter(), []
        for number, due in enumerate(arrivals(per_second, seconds, seed=0)):
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            patience = chance.uniform(0.05, 3.0) if chance.random() < leavers else None
            clip = clips[number % len(clips)]
            tasks.append(asyncio.create_task(post(chance.choice(some), clip, patience)))
        sent = await asyncio.gather(*tasks)
        return list(sent), time.perf_counter() - began


@asynccontextmanager
async def trouble(
    running: Running, *, stalled: int, kill_every: float
) -> AsyncIterator[tuple[Counter[str], Counter[str]]]:
    """Disturb the service; yield how stalled uploads ended, and how many processes were killed."""
    ends: Counter[str] = Counter()
    kills: Counter[str] = Counter()
    tasks = [asyncio.create_task(stall(_TROUBLEMAKER, running.port, ends)) for _ in range(stalled)]
    tasks.append(asyncio.create_task(kill_children(running.process, kill_every, kills)))
    try:
        yield ends, kills
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def verdicts(sent: list[Sent], watched: Watched, facts: dict[str, Any]) -> dict[str, bool]:
    """Return each thing that has to hold, and whether it does."""
    accepted = [one.seconds for one in sent if one.end == "200"]
    return {
        "every request was answered": not any(one.end.startswith("lost") for one in sent),
        "no answer was 5xx": not any(one.end.startswith("5") for one in sent),
        "p99 of the accepted is within the deadline": bool(accepted)
        and quantile(accepted, 0.99) < 1e3 * facts["deadline"],
        f"/livez answered within {LIVE_MS:g} ms": bool(watched.seconds)
        and not watched.failed
        and quantile(watched.seconds, 1.0) < LIVE_MS,
        f"throughput is {LEAST_THROUGHPUT:g} of the capacity": facts["throughput"]
        >= LEAST_THROUGHPUT * facts["capacity"],
    }


@app.command()
def main(
    seconds: Annotated[float, typer.Option(help="Of overload.")] = 300.0,
    times: Annotated[float, typer.Option(help="The capacity that arrives.")] = 4.0,
    capacity_seconds: Annotated[float, typer.Option(help="To measure the capacity.")] = 30.0,
    size: Annotated[list[int] | None, typer.Option(help="Lengths of the clips, s.")] = None,
    leavers: Annotated[float, typer.Option(help="Share of clients that leave.")] = 0.1,
    stalled: Annotated[int, typer.Option(help="Uploads that stall, at any time.")] = 16,
    kill_every: Annotated[float, typer.Option(help="Seconds between killed processes.")] = 3.0,
    deadline: Annotated[float, typer.Option(help="Of the service, s.")] = 120.0,
    workers: int = 2,
    queue: int = 16,
    engine: str = "onnx",
) -> None:
    """Overload a service of its own; the status is 1 if something did not hold.

    The load comes from the same machine and competes with the service: keep it otherwise quiet.
    How late the watcher of `/livez` itself was woken up tells how busy the machine was.

    Examples:

    - python -m benchmarks.overload

    - python -m benchmarks.overload --seconds 60 --capacity-seconds 15
    """
    with tempfile.TemporaryDirectory() as folder:
        clips = clips_of(size or [2, 5, 10], Path(folder))
    with service(workers=workers, queue=queue, deadline=deadline, engine=engine) as running:
        measured = _measure(
            running,
            clips,
            seconds=seconds,
            times=times,
            leavers=leavers,
            stalled=stalled,
            kill_every=kill_every,
            capacity_seconds=capacity_seconds,
            together=2 * workers,
        )
        sent, watched, facts = asyncio.run(measured)
    held = verdicts(sent, watched, facts)
    _show(facts, watched, held)
    print(json.dumps({**facts, "livez": watched.facts(), "held": held, "machine": machine()}))  # noqa: T201
    raise typer.Exit(0 if all(held.values()) else 1)


async def _measure(
    running: Running,
    clips: list[bytes],
    *,
    seconds: float,
    times: float,
    leavers: float,
    stalled: int,
    kill_every: float,
    capacity_seconds: float,
    together: int,
) -> tuple[list[Sent], Watched, dict[str, Any]]:
    await capacity(running, clips, 5.0, together)
    most = await capacity(running, clips, capacity_seconds, together)
    before = running.counted()
    async with trouble(running, stalled=stalled, kill_every=kill_every) as (ends, kills):
        with watching(running.port) as watched:
            sent, took = await overload(
                running, clips, per_second=times * most, seconds=seconds, leavers=leavers
            )
    accepted = [one.seconds for one in sent if one.end == "200"]
    facts = {
        "seconds": seconds,
        "deadline": running.deadline,
        "capacity": round(most, 2),
        "offered": round(times * most, 2),
        "throughput": round(len(accepted) / took, 2),
        "sent": len(sent),
        "ends": dict(Counter(one.end for one in sent)),
        "accepted_ms": {f"p{share}": quantile(accepted, share / 100) for share in (50, 95, 99)},
        "stalled_uploads": dict(ends),
        "killed": kills["killed"],
        "counted": _more(before, running.counted()),
    }
    return sent, watched, facts


def _more(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return {name: value for name, value in grown.items() if value}


def _show(facts: dict[str, Any], watched: Watched, held: dict[str, bool]) -> None:
    table = Table("", "", title=f"{facts['seconds']:g} s at {facts['offered']:g} clips a second")
    for name, value in [*facts.items(), ("livez", watched.facts())]:
        table.add_row(name, json.dumps(value))
    for name, holds in held.items():
        table.add_row(name, "yes" if holds else "[bold]no[/]")
    Console().print(table)


if __name__ == "__main__":
    app()
