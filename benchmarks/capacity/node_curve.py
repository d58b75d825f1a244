"""One node under rising load, measured and simulated with the same clips at the same times.

The speed of a shared machine varies over time. So the load rises in several
rounds, single clips are measured before and after each rate of each round, a rate is simulated with
the times from its own minutes, and the requests of all rounds count together.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from itertools import cycle, pairwise
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from benchmarks.capacity.fleet import Pod
from benchmarks.capacity.queueing import Clock, Cores, Process
from benchmarks.capacity.replica import ClipWork, Embedded, Replica, Visit, clip_work
from benchmarks.capacity.service_times import Meter, ServiceTimes, merged
from benchmarks.gateway import Service
from benchmarks.load import Level, Outcome, arrivals, drive

FIGURES = ("throughput", "mean", "p50", "p95")
FILE = Path(__file__).with_name("results.json")
_ANSWERED, _REFUSED = 200, 429


class CurvePoint(BaseModel):
    """A rate and its results over all rounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_second: float
    seconds: float
    """Duration in each round."""
    sent: int
    refused: int
    throughput: float
    mean: float
    p50: float
    p95: float
    foreign_cores: float = 0.0
    """Cores used by other processes meanwhile, in the worst round; zero if simulated."""

    @classmethod
    def of(cls, levels: Sequence[Level], *, foreign_cores: float = 0.0) -> CurvePoint:
        """Aggregate the rounds of a rate."""
        seconds = [outcome.seconds for level in levels for outcome in level.answered]
        sent = sum(len(level.outcomes) for level in levels)
        return cls(
            per_second=levels[0].per_second,
            seconds=levels[0].seconds,
            sent=sent,
            refused=sent - len(seconds),
            throughput=round(len(seconds) / sum(level.took for level in levels), 4),
            mean=round(float(np.mean(seconds)), 4),
            p50=round(float(np.quantile(seconds, 0.5)), 4),
            p95=round(float(np.quantile(seconds, 0.95)), 4),
            foreign_cores=round(foreign_cores, 3),
        )


class Measured(BaseModel):
    """One measurement of one node: single clips and the curve, alternately."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alone: tuple[ServiceTimes, ...]
    """Before and after each rate of each round."""
    workers: int
    queue_limit: int
    curve: tuple[CurvePoint, ...]

    @property
    def times(self) -> ServiceTimes:
        """The mean times of single clips."""
        return merged(self.alone)

    @property
    def pod(self) -> Pod:
        """The node as a pod of the simulation."""
        return Pod(cores=self.times.cores, workers=self.workers, queue_limit=self.queue_limit)


def read(file: Path = FILE) -> Measured:
    """Read a measurement."""
    return Measured.model_validate_json(file.read_text())


def measure_level(
    running: Service,
    clips: Sequence[bytes],
    *,
    per_second: float,
    seconds: float,
    seed: int,
    rows: Path,
) -> tuple[Level, float]:
    """Drive the service at a rate; add a line about each request; return the foreign cores too."""
    meter = Meter(running)
    level = asyncio.run(
        drive(running.address, clips, per_second=per_second, seconds=seconds, seed=seed)
    )
    with rows.open("a") as file:
        for number, outcome in enumerate(level.outcomes):
            row = {"per_second": per_second, "round": seed, "clip": number % len(clips),
                   "due": outcome.due, "seconds": outcome.seconds, "status": outcome.status,
                   "timings_ms": outcome.timings_ms}  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return level, meter.foreign_cores()


def simulate_level(
    times: ServiceTimes, pod: Pod, *, per_second: float, seconds: float, seed: int
) -> Level:
    """Return the simulated outcomes of the clips that `drive` would send."""
    works = cycle([clip_work(times, clip.seconds, client=True) for clip in times.clips])
    moments = arrivals(per_second, seconds, seed)
    return Level(per_second, seconds, *_send(pod, zip(moments, works, strict=False)))


def simulate_alone(measured: Measured) -> list[float]:
    """Return the simulated seconds of each measured clip alone."""
    works = [clip_work(measured.times, clip.seconds, client=True) for clip in measured.times.clips]
    return [_send(measured.pod, [(0.0, work)])[0][0].seconds for work in works]


def _send(pod: Pod, clips: Iterable[tuple[float, ClipWork]]) -> tuple[tuple[Outcome, ...], float]:
    """Return the outcomes of clips in the order of their arrival, and the end time."""
    clock = Clock()
    node = Replica(
        clock,
        Cores(clock, pod.cores),
        Embedded(clock),
        workers=pod.workers,
        queue_limit=pod.queue_limit,
    )
    visits: list[Visit] = []

    def come() -> Process:
        for due, work in clips:
            yield clock.pause(due - clock.now)
            clock.start(node.visit(work, visits.append))

    clock.start(come())
    clock.run()
    outcomes = tuple(
        Outcome(visit.due, 0.0, _REFUSED, {})
        if visit.answered is None
        else Outcome(visit.due, visit.seconds, _ANSWERED, {})
        for visit in sorted(visits, key=lambda visit: visit.due)
    )
    return outcomes, clock.now


def simulate_curve(measured: Measured) -> list[CurvePoint]:
    """Return the same curve, simulated from the times of single clips."""
    around = [merged(pair) for pair in pairwise(measured.alone)]
    rates = len(measured.curve)
    return [
        CurvePoint.of(
            [
                simulate_level(
                    times,
                    measured.pod,
                    per_second=point.per_second,
                    seconds=point.seconds,
                    seed=seed,
                )
                for seed, times in enumerate(around[number::rates])
            ]
        )
        for number, point in enumerate(measured.curve)
    ]


def ratios(simulated: CurvePoint, measured: CurvePoint) -> dict[str, float]:
    """Return simulated over measured for each figure."""
    return {figure: getattr(simulated, figure) / getattr(measured, figure) for figure in FIGURES}
