"""The service beside LitServe around the same engines, and beside the work alone, by turns.

LitServe runs in an environment of its own or in this one: `pip install '.[cpu,dev,peer]'`.

python -m benchmarks.peer
python -m benchmarks.peer --rounds 3 --seconds 5 --together 4 --peer-python venv/bin/python
"""

from __future__ import annotations

import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.plain import Done, Frames, Plain, regions_of
from benchmarks.processes import usage
from benchmarks.timing import machine
from service.cli.temporary_service import LOOPBACK, free_port
from ssuformer.errors import ConfigError, EngineUnavailable

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

OURS, PEER = "ours", "LitServe"
_START_SECONDS = 180.0
_LOOK_AGAIN = 0.1

Body = tuple[dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers `POST /understand`."""

    name: str
    port: int
    process: psutil.Process

    def post(self, body: Body) -> Any:  # noqa: ANN401
        """Return the answer; raises EngineUnavailable for any other status than 200."""
        headers, content = body
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=300)
        try:
            connection.request("POST", "/understand", content, headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status != httpx.codes.OK:
            raise EngineUnavailable(f"{self.name} answered {answer.status}: {said[:200]!r}")
        return json.loads(said)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a server did in one turn; `rate` counts while all clients were waiting for it."""

    rate: float
    seconds: list[float]
    processor_seconds: float
    """Of all its processes, per clip."""


@app.command()
def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; in each all take turns.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, help="Duration of a turn.")] = 10.0,
    together: Annotated[
        list[int] | None, typer.Option(min=1, help="Clips in flight; 1, 2, 4 and 8 by default.")
    ] = None,
    samples: Annotated[Path, typer.Option(help="Folder of the clips.")] = Path("samples"),
    models: Annotated[Path, typer.Option(help="Model repository.")] = Path("triton_repo"),
    workers: Annotated[
        int, typer.Option(min=1, help="Worker processes of LitServe, and of the work alone.")
    ] = os.cpu_count() or 1,
    peer_python: Annotated[
        str, typer.Option(help="Interpreter of an environment that has LitServe.")
    ] = sys.executable,
    *,
    fast_queue: Annotated[bool, typer.Option(help="LitServe with ZeroMQ.")] = False,
) -> None:
    """Post the clips to both servers with so many in flight, and compare.

    In every round each server has its turn at each number in flight, in changing order, and so has
    the work alone: as many processes as LitServe has, which decode and run the engines in one
    thread each. **Bare limit**: those processes over their processor-seconds of decoding and
    inference per clip. Before, both servers must give the same regions, masks and sentences.
    """
    clips = [path for path in sorted(samples.iterdir()) if path.suffix in {".mp4", ".webm"}]
    if not clips:
        raise ConfigError(f"no clip in {samples}")
    levels = together or [1, 2, 4, 8]
    bodies = [_multipart(clip) for clip in clips]
    with ExitStack() as stack:
        serving = [sys.executable, "-m", "service.cli", "serve", "--models", str(models)]
        serving += ["--metrics-port", "0", "--queue", str(max(levels))]
        peer = [peer_python, "-m", "benchmarks.peer_server", "--models", str(models)]
        peer += ["--workers", str(workers), *(["--fast"] if fast_queue else [])]
        servers = [
            stack.enter_context(_started(OURS, serving, bodies[0])),
            stack.enter_context(_started(PEER, peer, bodies[0])),
        ]
        require_same(servers, clips, bodies)
        alone = stack.enter_context(_Alone(models, clips, workers))
        turns: dict[tuple[str, int], list[Turn]] = {}
        bare: list[Done] = []
        for number in range(rounds):
            bare.append(alone.turn(seconds))
            for level in levels:
                for server in servers if number % 2 else reversed(servers):
                    turn = take_turn(server, bodies, together=level, seconds=seconds)
                    turns.setdefault((server.name, level), []).append(turn)
    _report(levels, turns, bare, workers)


def _multipart(clip: Path) -> Body:
    files = {"file": (clip.name, clip.read_bytes(), "video/mp4")}
    request = httpx.Request("POST", f"http://{LOOPBACK}", files=files)
    content = request.read()
    return {"Content-Type": request.headers["content-type"]}, content


@contextmanager
def _started(name: str, command: Sequence[str], body: Body) -> Iterator[Server]:
    """Start a server and wait until it answers a clip; stop it at the end."""
    port = free_port()
    process = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    server = Server(name, port, psutil.Process(process.pid))
    try:
        _wait(server, process, body)
        yield server
    finally:
        process.terminate()
        process.wait()


def _wait(server: Server, process: subprocess.Popen[bytes], body: Body) -> None:
    until = time.monotonic() + _START_SECONDS
    while True:
        try:
            server.post(body)
            return
        except (OSError, EngineUnavailable) as error:
            if process.poll() is not None or time.monotonic() > until:
                raise EngineUnavailable(f"{server.name} did not start: {error}") from error
            time.sleep(_LOOK_AGAIN)


def require_same(servers: Sequence[Server], clips: Sequence[Path], bodies: Sequence[Body]) -> None:
    """Raise ConfigError unless both servers answer every clip with the same regions."""
    for clip, body in zip(clips, bodies, strict=True):
        found: list[Frames] = []
        for server in servers:
            answer = server.post(body)
            found.append(regions_of(answer) if server.name == OURS else answer["frames"])
        if found[0] != found[1]:
            raise ConfigError(f"the answers of the servers to {clip.name} differ")


def take_turn(server: Server, bodies: Sequence[Body], *, together: int, seconds: float) -> Turn:
    """Return what the server does in a turn with so many clients that wait for their answers."""
    numbers, lock = count(), threading.Lock()
    ends: list[float] = []
    spent: list[float] = []
    before, until = usage(server.process).cpu_seconds, time.perf_counter() + seconds

    def client() -> None:
        while (began := time.perf_counter()) < until:
            server.post(bodies[next(numbers) % len(bodies)])
            now = time.perf_counter()
            with lock:
                ends.append(now)
                spent.append(now - began)

    clients = [threading.Thread(target=client) for _ in range(together)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    used = usage(server.process).cpu_seconds - before
    return Turn(_rate(sorted(ends), until), spent, used / len(ends))


def _rate(ends: Sequence[float], until: float) -> float:
    """Return answers per second between the first and the last one before the clients stop."""
    during = [end for end in ends if end <= until]
    if len(during) < 2:
        return float("nan")
    return (len(during) - 1) / (during[-1] - during[0])


class _Alone:
    """Processes that only decode and run the engines."""

    def __init__(self, models: Path, clips: Sequence[Path], workers: int) -> None:
        self._workers = workers
        self._pool = ProcessPoolExecutor(
            workers, get_context("spawn"), initializer=_prepare, initargs=(models, list(clips))
        )

    def __enter__(self) -> _Alone:
        self.turn(1.0)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def turn(self, seconds: float) -> Done:
        """Return what all of them did together; `seconds` are those of one process."""
        done = list(self._pool.map(_work, [seconds] * self._workers))
        clips = sum(one.clips for one in done)
        rate = sum(one.clips / one.seconds for one in done)
        return Done(clips, clips / rate, sum(one.processor_seconds for one in done))


_plain: list[tuple[Plain, list[bytes]]] = []
"""What a process of `_Alone` works with."""


def _prepare(models: Path, clips: Sequence[Path]) -> None:
    _plain.append((Plain(models), [clip.read_bytes() for clip in clips]))


def _work(seconds: float) -> Done:
    ((plain, clips),) = _plain
    return plain.repeat(clips, seconds)


def _report(
    levels: Sequence[int],
    turns: dict[tuple[str, int], list[Turn]],
    bare: Sequence[Done],
    workers: int,
) -> None:
    each = [one.processor_seconds / one.clips for one in bare]
    limit = workers / statistics.median(each)
    alone = [one.clips / one.seconds for one in bare]
    table = Table(
        "in flight", "", "clips/s", "p50 ms", "p95 ms", "processor s a clip", "of the bare limit",
        "of the work alone", "clips/s of ours / LitServe",
        title=f"bare limit {limit:.2f} clips/s: {workers} processes, "
        f"{limit and workers / limit:.3f} s of a processor a clip; "
        f"the work alone {statistics.median(alone):.2f} clips/s",
    )  # fmt: skip
    rows = []
    for level in levels:
        ratios = _ratios(turns[OURS, level], turns[PEER, level])
        for name in (OURS, PEER):
            row = _row(turns[name, level], limit, alone)
            rows.append({"server": name, "together": level, **row, "ratio": ratios})
            table.add_row(
                str(level), name, f"{row['rate']:.2f}", f"{row['p50']:.0f}", f"{row['p95']:.0f}",
                f"{row['processor_seconds']:.3f}", f"{row['of_limit']:.2f}",
                f"{row['of_alone']:.2f}",
                f"{ratios[1]:.2f} ({ratios[0]:.2f} to {ratios[2]:.2f})" if name == OURS else "",
            )  # fmt: skip
    Console().print(table)
    line = {"machine": machine(), "limit": limit, "alone": alone, "rows": rows}
    print(json.dumps(line))  # noqa: T201


def _row(turns: Sequence[Turn], limit: float, alone: Sequence[float]) -> dict[str, float]:
    seconds = [spent for turn in turns for spent in turn.seconds]
    rate = statistics.median(turn.rate for turn in turns)
    shares = [turn.rate / one for turn, one in zip(turns, alone, strict=True)]
    return {
        "rate": rate,
        "p50": 1e3 * float(np.quantile(seconds, 0.5)),
        "p95": 1e3 * float(np.quantile(seconds, 0.95)),
        "processor_seconds": statistics.median(turn.processor_seconds for turn in turns),
        "of_limit": rate / limit,
        "of_alone": statistics.median(shares),
    }


def _ratios(ours: Sequence[Turn], theirs: Sequence[Turn]) -> tuple[float, float, float]:
    """Return the least, the median and the largest ratio of the rates in one round."""
    ratios = [one.rate / other.rate for one, other in zip(ours, theirs, strict=True)]
    return min(ratios), statistics.median(ratios), max(ratios)


if __name__ == "__main__":
    app()
