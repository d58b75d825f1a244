"""Admission control: a few clips in work, a bounded queue, and turns that are fair.

The sender that has had the least work comes first. Of its clips, the one comes first that would be
done first if all were worked on at once: short before long, but none waits for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from math import inf
from statistics import median

from service.telemetry.metrics import Metrics
from service.telemetry.stages import StageClock
from ssuformer.errors import Overloaded

_REMEMBERED = 64
_FIRST_GUESS_SECONDS = 2.0


class Estimate:
    """The usual value of something, by the median of its last values."""

    def __init__(self, first: float) -> None:
        self._first = first
        self._last: deque[float] = deque(maxlen=_REMEMBERED)

    def add(self, value: float) -> None:
        """Learn from a value."""
        self._last.append(value)

    @property
    def value(self) -> float:
        """The median, which one odd value does not change."""
        return median(self._last) if self._last else self._first


@dataclass(slots=True, eq=False)
class _Ticket:
    """A clip that waits for its turn."""

    sender: str
    cost: float
    rank: float
    since: float
    background: bool
    turn: asyncio.Future[None] = field(default_factory=asyncio.Future)


class Admission:
    """A bounded queue in front of a bounded number of workers.

    Work in the background takes no place in the queue and begins when nobody else waits.
    """

    def __init__(
        self,
        *,
        workers: int,
        queue_limit: int,
        cores: int,
        metrics: Metrics,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self._workers = self._free = workers
        self._limit = queue_limit
        self._cores = cores
        self._metrics = metrics
        self._waiting: list[_Ticket] = []
        self._in_work: Counter[str] = Counter()
        self._had: dict[str, float] = {}
        """Seconds of work that each sender has had; forgotten once others have had more."""
        self._service_seconds = Estimate(_FIRST_GUESS_SECONDS)
        metrics.queue_limit.set(queue_limit)
        metrics.workers.set(workers)
        metrics.queue_depth.set_function(lambda: len(self._in_front()))
        metrics.in_work.set_function(lambda: workers - self._free)
        metrics.queue_oldest_age.set_function(self._oldest_age)

    def crowded(self) -> bool:
        """Return whether every core has a clip, so that more threads for one take from another."""
        return self._workers - self._free >= self._cores

    def check(self, sender: str) -> None:
        """Raise Overloaded if a clip of this sender would find no place."""
        if self._full() and not self._last_of_most(sender):
            raise self._overloaded("queue_full")

    @asynccontextmanager
    async def turn(
        self,
        clock: StageClock,
        *,
        sender: str = "",
        cost: float = _FIRST_GUESS_SECONDS,
        used: Callable[[float], None] = lambda _: None,
        background: bool = False,
    ) -> AsyncIterator[None]:
        """Wait for a worker and hold it for the block; `cost` is a guess at the seconds it takes.

        At the end `used` is told the seconds that it took. Raises Overloaded if the queue is full,
        or if a sender with fewer clips in it takes the place.
        """
        with clock.stage("queue"):
            ticket = await self._wait(sender, cost, background=background)
        began = self._now()
        try:
            yield
        finally:
            spent = self._now() - began
            if not background:
                self._had[sender] += spent - cost
                self._service_seconds.add(spent)
            self._end(ticket)
            used(spent)

    async def _wait(self, sender: str, cost: float, *, background: bool) -> _Ticket:
        rank = 0.0
        if not background:
            self.check(sender)
            if self._full():
                self._push_out(sender)
            self._arrive(sender)
            rank = self._had[sender] + cost
        ticket = _Ticket(sender, cost, rank, since=self._now(), background=background)
        self._waiting.append(ticket)
        self._begin_next()
        try:
            await ticket.turn
        except BaseException:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            elif ticket.turn.done() and not ticket.turn.cancelled() and not ticket.turn.exception():
                if not background:
                    self._had[sender] -= cost
                self._end(ticket)
            raise
        return ticket

    def _arrive(self, sender: str) -> None:
        """Let a sender that was away begin with as much as those that are here have had."""
        here = {*self._in_work, *(one.sender for one in self._in_front())}
        least = min((self._had[one] for one in here), default=inf)
        self._had = {one: had for one, had in self._had.items() if one in here or had > least}
        self._had[sender] = max(self._had.get(sender, 0.0), least if here else 0.0)

    def _begin_next(self) -> None:
        while self._free and (ticket := self._next()):
            self._waiting.remove(ticket)
            self._free -= 1
            if not ticket.background:
                self._in_work[ticket.sender] += 1
                self._had[ticket.sender] += ticket.cost
            ticket.turn.set_result(None)

    def _next(self) -> _Ticket | None:
        waiting = self._still_waiting()
        front = [one for one in waiting if not one.background]
        if front:
            return min(front, key=lambda one: (self._had[one.sender], one.rank))
        return waiting[0] if waiting else None

    def _end(self, ticket: _Ticket) -> None:
        self._free += 1
        if not ticket.background:
            self._in_work[ticket.sender] -= 1
            self._in_work += Counter()  # drops what is zero
        self._begin_next()

    def _still_waiting(self) -> list[_Ticket]:
        """Return those in the queue whose request has not just been cancelled."""
        return [one for one in self._waiting if not one.turn.done()]

    def _in_front(self) -> list[_Ticket]:
        return [one for one in self._waiting if not one.background]

    def _full(self) -> bool:
        return not self._free and len(self._in_front()) >= self._limit

    def _last_of_most(self, sender: str) -> _Ticket | None:
        """Return the clip that this sender may push out: it has at least two fewer waiting."""
        waiting = [one for one in self._still_waiting() if not one.background]
        number = Counter(one.sender for one in waiting)
        most = max(number, key=lambda one: number[one], default=sender)
        if number[most] < number[sender] + 2:
            return None
        its = [one for one in waiting if one.sender == most]
        return max(reversed(its), key=lambda one: one.rank)

    def _push_out(self, sender: str) -> None:
        if ticket := self._last_of_most(sender):
            self._waiting.remove(ticket)
            ticket.turn.set_exception(self._overloaded("pushed_out"))

    def _oldest_age(self) -> float:
        """Return how long the first in the queue has waited; called from the metrics thread."""
        with suppress(ValueError):
            return self._now() - min(one.since for one in self._in_front())
        return 0.0

    def _overloaded(self, reason: str) -> Overloaded:
        self._metrics.admission_rejected.labels(reason).inc()
        error = Overloaded(
            f"{self._workers} clips are in work and {self._limit} are waiting; try again later",
            limit=self._limit,
        )
        ahead = len(self._in_front()) + 1
        error.retry_after = max(1.0, ahead * self._service_seconds.value / self._workers)
        return error
