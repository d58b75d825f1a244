"""Find the number of replicas: by formula, and by simulating the fleet."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.capacity.fleet import Fleet, Gpu, Prices, Seen, Traffic, simulate
from benchmarks.capacity.node_curve import Measured
from benchmarks.capacity.queueing import mean_wait
from benchmarks.capacity.replica import clip_work

RATES = (1.0, 100.0, 10_000.0)
CELL = 100.0
"""Clips per second behind one balancer; higher rates use several cells, one is simulated."""
_LOADS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Goal:
    """What is enough."""

    p99_seconds: float = 5.0
    refused: float = 0.001
    busy: float = 0.7
    """Maximum mean utilisation of the cores, and of the GPUs' full batches."""
    least: int = 2
    """Minimum of replicas and of GPUs, so that one may fail."""

    def met(self, seen: Seen) -> bool:
        """Return whether the goal was met."""
        return (
            seen.p99 <= self.p99_seconds and seen.refused <= self.refused and seen.busy <= self.busy
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """A fleet for a rate, the result of the formula, and its cost per hour."""

    rate: float
    fleet: Fleet
    seen: Seen
    """Of one cell, if there are several."""
    paper: Fleet
    paper_wait: float
    dollars: float

    @property
    def dollars_per_thousand(self) -> float:
        """Return the cost of 1,000 clips."""
        return self.dollars / self.rate / 3.6


def core_seconds(traffic: Traffic, fleet: Fleet) -> float:
    """Return the mean processor seconds of a clip in a replica."""
    works = traffic.works
    if fleet.gpus == 0:
        return sum(w.engine_core_seconds + w.other_core_seconds for w in works) / len(works)
    calls = fleet.gpu.call_cpu_seconds
    return sum(w.other_core_seconds + calls * len(w.windows) for w in works) / len(works)


def card_seconds(traffic: Traffic, gpu: Gpu) -> float:
    """Return the mean seconds of a clip on a card with full batches."""
    windows = [window for work in traffic.works for window in work.windows]
    frames = sum(window.frames for window in windows)
    call = gpu.launch_seconds / gpu.windows + gpu.caption_seconds / gpu.calls
    arithmetic = frames * gpu.frame_gigaflop / 1e3 / gpu.teraflops
    return (len(windows) * call + arithmetic) / len(traffic.works)


def on_paper(traffic: Traffic, goal: Goal, *, gpu: bool) -> Fleet:
    """Return the fleet for the goal's utilisation, ignoring waiting times."""
    cards = traffic.rate * card_seconds(traffic, Gpu()) / goal.busy if gpu else 0.0
    fleet = Fleet(goal.least, gpus=max(goal.least, math.ceil(cards)) if gpu else 0)
    needed = traffic.rate * core_seconds(traffic, fleet) / (fleet.pod.cores * goal.busy)
    return Fleet(max(goal.least, math.ceil(needed)), fleet.gpus)


def wait_on_paper(traffic: Traffic, fleet: Fleet) -> float:
    """Return the mean wait for a worker in a replica with random arrivals.

    M/G/c: a worker of a busy replica has an even share of its cores.
    """
    workers, cores = fleet.pod.workers, fleet.pod.cores
    seconds = [
        core_seconds(replace(traffic, works=(work,)), fleet) * workers / cores
        for work in traffic.works
    ]
    mean, deviation = float(np.mean(seconds)), float(np.std(seconds))
    rate = traffic.rate / fleet.replicas
    return mean_wait(workers, rate, mean, variation=(deviation / mean) ** 2)


def enough(
    traffic: Traffic, goal: Goal, *, gpu: bool, progress: Callable[[], None] = lambda: None
) -> tuple[Fleet, Seen]:
    """Return the smallest fleet that meets the goal, to 2 % of its replicas, and its results.

    The number of cards is from the formula: requests waiting for a busy card share a batch.
    """
    paper = on_paper(traffic, goal, gpu=gpu)
    step = max(1, paper.replicas // 50)
    seen: dict[int, Seen] = {}

    def meets(steps: int) -> bool:
        fleet = Fleet(paper.replicas + steps * step, paper.gpus)
        seen[steps] = simulate(fleet, traffic)
        progress()
        return goal.met(seen[steps])

    few, many = -1, 0
    while not meets(many):
        few, many = many, 2 * many + 1
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if meets(middle) else (middle, many)
    return Fleet(paper.replicas + many * step, paper.gpus), seen[many]


def traffic_of(measured: Measured, rate: float, *, clips: int) -> Traffic:
    """Return the measured mix of clips, sent from other machines."""
    works = [clip_work(measured.times, c.seconds, client=False) for c in measured.times.clips]
    return Traffic(rate, tuple(works), clips=clips)


def plans(
    traffic: Traffic,
    goal: Goal,
    prices: Prices,
    *,
    rates: tuple[float, ...] = RATES,
    progress: Callable[[], None] = lambda: None,
) -> list[Plan]:
    """Return a plan for each of the rates, first without GPUs, then with; the mix is given."""
    found = []
    for gpu in (False, True):
        cells = {
            rate: enough(replace(traffic, rate=rate), goal, gpu=gpu, progress=progress)
            for rate in sorted({min(rate, CELL) for rate in rates})
        }
        for rate in rates:
            cell, seen = cells[min(rate, CELL)]
            found.append(plan_of(replace(traffic, rate=rate), cell, seen, goal, prices))
    return found


def plan_of(traffic: Traffic, cell: Fleet, seen: Seen, goal: Goal, prices: Prices) -> Plan:
    """Return the plan with as many cells as the traffic needs."""
    cells = max(1, round(traffic.rate / CELL))
    fleet = replace(cell, replicas=cells * cell.replicas, gpus=cells * cell.gpus)
    paper = on_paper(traffic, goal, gpu=cell.gpus > 0)
    wait = wait_on_paper(traffic, fleet)
    return Plan(traffic.rate, fleet, seen, paper, wait, fleet.dollars(prices))


def variations(fleet: Fleet, goal: Goal, traffic: Traffic) -> dict[str, tuple[Fleet, Seen]]:
    """Return the results of a planned cell under changed conditions."""
    few = on_paper(traffic, goal, gpu=False)
    fewer = replace(fleet, replicas=round(0.9 * fleet.replicas))
    least = replace(traffic, routing="least")
    cases = {
        "at random, as planned": (fleet, traffic),
        "at random, a tenth of the replicas gone": (fewer, traffic),
        "at random, in groups of 4 on average": (fleet, replace(traffic, group=4.0)),
        "to whoever has fewest, as many as on paper": (few, least),
        "to whoever has fewest, on paper, in groups of 4": (few, replace(least, group=4.0)),
    }
    return {name: (some, simulate(some, other)) for name, (some, other) in cases.items()}


def loaded(traffic: Traffic) -> dict[str, list[tuple[float, Seen]]]:
    """Return the results of a cell without GPUs at rising shares of its maximum load."""
    each = core_seconds(traffic, Fleet(1)) / Fleet(1).pod.cores
    fleets = [(load, Fleet(max(1, round(traffic.rate * each / load)))) for load in _LOADS]
    least = replace(traffic, routing="least")
    return {
        other.routing: [(load, simulate(fleet, other)) for load, fleet in fleets]
        for other in (traffic, least)
    }
