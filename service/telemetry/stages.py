"""The current stage of a request and the time spent in each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from service.telemetry.trace import Trace

Stage = Literal[
    "upload", "queue", "probe", "decode", "segmentation", "caption", "postprocess", "encode"
]


class StageClock:
    """A stop-watch with one total per stage; a stage may be entered many times.

    Each time is a span of the request's trace, if spans are recorded.
    """

    def __init__(self, trace: Trace | None = None) -> None:
        self.trace = trace or Trace(None)
        self._began = time.perf_counter()
        self._seconds: defaultdict[Stage, float] = defaultdict(float)
        self.current: Stage = "upload"

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        """Add the time of the block to the stage."""
        self.current = name
        began = time.perf_counter()
        try:
            with self.trace.stage(name):
                yield
        finally:
            self._seconds[name] += time.perf_counter() - began

    @property
    def elapsed(self) -> float:
        """Seconds since the request arrived."""
        return time.perf_counter() - self._began

    @property
    def seconds(self) -> dict[Stage, float]:
        """Seconds spent in each stage so far."""
        return dict(self._seconds)

    def milliseconds(self) -> dict[str, float]:
        """Return the stages and the total in milliseconds, as in the answer."""
        laps: dict[str, float] = {
            name: round(1000 * spent, 2) for name, spent in self._seconds.items()
        }
        return {**laps, "total": round(1000 * self.elapsed, 2)}

    def server_timing(self) -> str:
        """Return the value of a `Server-Timing` header."""
        return ", ".join(f"{name};dur={spent}" for name, spent in self.milliseconds().items())
