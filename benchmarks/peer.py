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
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
_END_SECONDS = 10.0
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
            connection.request("POST", "/understand?mask_size=engine", content, headers)
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
    thread each. Before, both servers must give the same regions, masks and sentences.

    - **limit**: those processes over their processor-seconds of decoding and inference per clip;
      `/ limit` says something only on a machine where nothing else runs
    - **alone**: the clips per second of the work alone, in the same round
    - **processor s**: of all processes of a server, per clip: what other work disturbs least
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
        _end(server.process)
        process.wait()


def _end(process: psutil.Process) -> None:
    """End a server and what it has started: LitServe's workers outlive it otherwise."""
    started = process.children(recursive=True)
    process.terminate()
    for one in psutil.wait_procs([process, *started], timeout=_END_SECONDS)[1]:
        one.kill()


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


class _Clients:
    """Clients of one server that post the clips in turn, each the next one once it is answered."""

    def __init__(self, server: Server, bodies: Sequence[Body], seconds: float) -> None:
        self._server = server
        self._bodies = bodies
        self._until = time.perf_counter() + seconds
        self._lock = threading.Lock()
        self._posted = 0
        self.stopped: float | None = None
        """When the last clip had been posted: late enough, and every clip as often as another."""
        self.ends: list[float] = []
        self.spent: list[float] = []

    def run(self) -> None:
        """Post clips until enough are posted."""
        while (body := self._next()) is not None:
            began = time.perf_counter()
            self._server.post(body)
            now = time.perf_counter()
            with self._lock:
                self.ends.append(now)
                self.spent.append(now - began)

    def _next(self) -> Body | None:
        with self._lock:
            now, place = time.perf_counter(), self._posted % len(self._bodies)
            if self.stopped is None and now >= self._until and place == 0:
                self.stopped = now
            if self.stopped is not None:
                return None
            self._posted += 1
            return self._bodies[place]

    @property
    def rate(self) -> float:
        """Answers per second between the first and the last one while all clients had a clip."""
        during = sorted(end for end in self.ends if self.stopped is None or end <= self.stopped)
        if len(during) < 2:
            return float("nan")
        return (len(during) - 1) / (during[-1] - during[0])


def take_turn(server: Server, bodies: Sequence[Body], *, together: int, seconds: float) -> Turn:
    """Return what the server does in a turn with so many clients that wait for their answers."""
    before, clients = usage(server.process).cpu_seconds, _Clients(server, bodies, seconds)
    with ThreadPoolExecutor(together) as pool:
        for running in [pool.submit(clients.run) for _ in range(together)]:
            running.result()
    used = usage(server.process).cpu_seconds - before
    return Turn(clients.rate, clients.spent, used / len(clients.ends))


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
        "in flight", "", "clips/s", "p50 s", "p95 s", "processor s", "/ limit", "/ alone",
        f"/ {PEER}",
        title=f"limit {limit:.2f} clips/s: {workers / limit:.3f} s of {workers} processors a clip; "
        f"the work alone {statistics.median(alone):.2f} clips/s",
    )  # fmt: skip
    rows = []
    for level in levels:
        ratios = _ratios(turns[OURS, level], turns[PEER, level])
        for name in (OURS, PEER):
            row = _row(turns[name, level], limit, alone)
            rows.append({"server": name, "together": level, **row, "ratio": ratios})
            told = "{1:.2f} ({0:.2f} to {2:.2f})".format(*ratios) if name == OURS else ""
            table.add_row(
                str(level), name, f"{row['rate']:.2f}", f"{row['p50']:.2f}", f"{row['p95']:.2f}",
                f"{row['processor_seconds']:.3f}", f"{row['of_limit']:.2f}",
                f"{row['of_alone']:.2f}", told,
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
        "p50": float(np.quantile(seconds, 0.5)),
        "p95": float(np.quantile(seconds, 0.95)),
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
