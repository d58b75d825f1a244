"""Discrete-event simulation: processes that wait for each other and share processor time.

A process is a generator that yields what it waits for: `clock.pause`, `turns.take`, `cores.work`.
simpy has such processes as well, but no shared cores, so the core of this would be custom code all
the same, and a simulation of 100,000 clips would take minutes instead of seconds.

Also closed-form results for simple queues.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator
from heapq import heappop, heappush

Resume = Callable[[], None]
Wait = Callable[[Resume], None]
Process = Generator[Wait, None, None]


class Clock:
    """The event queue; simulated seconds, the earliest event first, ties in order."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Resume]] = []
        self._number = 0

    def at(self, time: float, action: Resume) -> None:
        """Schedule an action."""
        self._number += 1
        heappush(self._events, (time, self._number, action))

    def pause(self, seconds: float) -> Wait:
        """Wait so long."""
        return lambda resume: self.at(self.now + seconds, resume)

    def start(self, process: Process) -> None:
        """Run a process until it waits; it resumes when the wait is over."""

        def resume() -> None:
            wait = next(process, None)
            if wait is not None:
                wait(resume)

        resume()

    def run(self) -> None:
        """Process all events."""
        while self._events:
            self.now, _, action = heappop(self._events)
            action()


class Turns:
    """A counting semaphore with a first-come, first-served queue."""

    def __init__(self, clock: Clock, free: int) -> None:
        self._clock = clock
        self._free = free
        self._waiting: deque[Resume] = deque()

    def take(self, resume: Resume) -> None:
        """Wait for a turn; pass this method to `yield`."""
        if self._free:
            self._free -= 1
            resume()
        else:
            self._waiting.append(resume)

    def give(self) -> None:
        """Release a turn."""
        if self._waiting:
            self._clock.at(self._clock.now, self._waiting.popleft())
        else:
            self._free += 1


class Cores:
    """Processor sharing: work that needs more cores than available is slowed down evenly.

    Work has a width: the number of cores it uses on an idle machine. While all widths add up to
    no more than the available cores, it runs as if alone; above that, each gets a share of the
    cores in proportion to its width, as threads of the same priority do.
    """

    def __init__(self, clock: Clock, count: float) -> None:
        self.count = count
        self.used = 0.0
        """Core-seconds of all work so far."""
        self._clock = clock
        self._wide = 0.0
        self._alone = 0.0
        """Seconds that any active work would have taken so far on an idle machine."""
        self._looked = 0.0
        self._due: list[tuple[float, int, float, Resume]] = []
        self._number = 0
        self._alarm = 0

    def work(self, seconds: float, *, width: float = 1.0) -> Wait:
        """Run for as long as it would take alone, or longer if cores are scarce."""

        def wait(resume: Resume) -> None:
            self._advance()
            self._number += 1
            self._wide += width
            self.used += seconds * width
            heappush(self._due, (self._alone + seconds, self._number, width, resume))
            self._set_alarm()

        return wait

    @property
    def _speed(self) -> float:
        return 1.0 if self._wide <= self.count else self.count / self._wide

    def _advance(self) -> None:
        now = self._clock.now
        self._alone += (now - self._looked) * self._speed
        self._looked = now

    def _set_alarm(self) -> None:
        """Schedule a check for when the next work is done, unless something changes before."""
        self._alarm += 1
        alarm = self._alarm
        if self._due:
            seconds = max(0.0, self._due[0][0] - self._alone) / self._speed
            self._clock.at(self._clock.now + seconds, lambda: self._finish(alarm))

    def _finish(self, alarm: int) -> None:
        if alarm != self._alarm:
            return
        self._advance()
        done, _, width, resume = heappop(self._due)
        self._alone = max(self._alone, done)
        self._wide = self._wide - width if self._due else 0.0
        self._set_alarm()
        resume()


def erlang_c(servers: int, load: float) -> float:
    """Return the probability of having to wait in M/M/c; `load` = arrivals x service time < c."""
    blocked = 1.0
    for used in range(1, servers + 1):
        blocked = load * blocked / (used + load * blocked)
    share = load / servers
    return blocked / (1 - share + share * blocked)


def mean_wait(servers: int, rate: float, service: float, *, variation: float = 1.0) -> float:
    """Return the mean wait in M/G/c by Lee and Longton's approximation, exact for M/M/c and M/G/1.

    `variation` is the squared coefficient of variation of the service time. Infinite if overloaded.
    """
    load = rate * service
    if load >= servers:
        return math.inf
    exponential = erlang_c(servers, load) * service / (servers - load)
    return (1 + variation) / 2 * exponential
