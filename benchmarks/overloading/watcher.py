"""Watches `/livez` from a process of its own, which has nothing else to do."""

from __future__ import annotations

import multiprocessing
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

PERIOD = 0.05
_TIMEOUT = 10.0
_ASKED = b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass(slots=True)
class Watched:
    """Seconds of each look, and by how much the watcher itself woke up late before it."""

    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    failed: int = 0

    def facts(self) -> dict[str, Any]:
        """Return quantiles in milliseconds."""
        return {
            "looks": len(self.seconds),
            "failed": self.failed,
            **{f"{name}_ms": quantile(self.seconds, share) for name, share in _SHARES.items()},
            "watcher_late_p99_ms": quantile(self.late, 0.99),
            "watcher_late_max_ms": quantile(self.late, 1.0),
        }


_SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def quantile(seconds: list[float], share: float) -> float:
    """Return a quantile of some seconds in milliseconds; NaN if there are none."""
    return round(1e3 * float(np.quantile(seconds or [np.nan], share)), 1)


@contextmanager
def watching(port: int) -> Iterator[Watched]:
    """Look at `/livez` on this port all the time; what was seen is there after the block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_watch, args=(port, theirs), daemon=True)
    process.start()
    ours.recv()
    seen = Watched()
    try:
        yield seen
    finally:
        ours.send(None)
        seen.seconds, seen.late, seen.failed = ours.recv()
        process.join()


def _watch(port: int, link: Connection) -> None:
    seen = Watched()
    link.send(None)
    while not link.poll():
        began = time.monotonic()
        time.sleep(PERIOD)
        seen.late.append(time.monotonic() - began - PERIOD)
        try:
            seen.seconds.append(_look(port))
        except OSError:
            seen.failed += 1
    link.send((seen.seconds, seen.late, seen.failed))


def _look(port: int) -> float:
    """Return the seconds of one look, connecting included; raise OSError unless it is 200."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT) as client:
        client.sendall(_ASKED)
        received = b""
        while piece := client.recv(4096):
            received += piece
    if not received.startswith(b"HTTP/1.1 200"):
        raise OSError(received[:40])
    return time.monotonic() - began
