"""Admission control: a limited number of clips in work and in the queue; more are rejected."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from service.telemetry.metrics import Metrics
from service.telemetry.stages import StageClock
from ssuformer.errors import Overloaded

_SMOOTHING = 0.2
_FIRST_GUESS_SECONDS = 2.0


class Admission:
    """A bounded queue in front of a bounded number of workers."""

    def __init__(self, *, workers: int, queue_limit: int, metrics: Metrics) -> None:
        self._workers = workers
        self._limit = queue_limit
        self._metrics = metrics
        self._inside = 0
        self._turns = asyncio.Semaphore(workers)
        self._service_seconds = _FIRST_GUESS_SECONDS
        self._waiting: deque[float] = deque()
        metrics.queue_limit.set(queue_limit)
        metrics.workers.set(workers)
        metrics.queue_oldest_age.set_function(self._oldest_age)

    @contextmanager
    def seat(self) -> Iterator[None]:
        """Hold a place for the whole request; raise Overloaded if the queue is full."""
        if self._inside >= self._workers + self._limit:
            self._metrics.admission_rejected.labels("queue_full").inc()
            raise self._overloaded()
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @asynccontextmanager
    async def turn(self, clock: StageClock) -> AsyncIterator[None]:
        """Wait in the queue for a worker and hold it for the duration of the block."""
        with clock.stage("queue"), self._in_queue():
            await self._turns.acquire()
        began = time.monotonic()
        try:
            with self._metrics.in_work.track_inprogress():
                yield
        finally:
            self._turns.release()
            spent = time.monotonic() - began
            self._service_seconds += _SMOOTHING * (spent - self._service_seconds)

    @contextmanager
    def _in_queue(self) -> Iterator[None]:
        since = time.monotonic()
        self._waiting.append(since)
        try:
            with self._metrics.queue_depth.track_inprogress():
                yield
        finally:
            self._waiting.remove(since)

    def _oldest_age(self) -> float:
        """Return how long the first in the queue has waited; called from the metrics thread."""
        with suppress(IndexError):
            return time.monotonic() - self._waiting[0]
        return 0.0

    def _overloaded(self) -> Overloaded:
        waiting = self._inside - self._workers + 1
        error = Overloaded(
            f"{self._workers} clips are in work and {self._limit} are waiting; try again later",
            limit=self._limit,
        )
        error.retry_after = max(1.0, waiting * self._service_seconds / self._workers)
        return error
