"""Simulation of many replicas behind a balancer, with embedded models or on GPUs.

Everything that was not measured is a field with a default in `Gpu` or `Prices`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Literal

import numpy as np

from benchmarks.capacity.queueing import Clock, Cores, Process, Resume, Wait
from benchmarks.capacity.replica import ClipWork, Embedded, Engines, Replica, Visit, WindowWork

Routing = Literal["random", "least"]
_WARM_UP = 0.1
"""Share of the clips at the start that are not counted, as the fleet is idle then."""


@dataclass(frozen=True, slots=True)
class Pod:
    """A gateway pod as deployed by `k8s/base`."""

    cores: int = 2
    workers: int = 2
    queue_limit: int = 8


@dataclass(frozen=True, slots=True)
class Gpu:
    """Assumptions, as no GPU was available: a small inference card, about an L4."""

    teraflops: float = 3.0
    """Effective throughput of segmentation, a tenth of its 30 TFLOP/s in float32."""
    launch_seconds: float = 0.003
    """Fixed time of an execution of the segmentation engine, without arithmetic."""
    caption_seconds: float = 0.030
    """Time of a caption execution: 28 steps, too small to saturate the card at any batch size."""
    call_cpu_seconds: float = 0.007
    """Gateway processor time per gRPC call of a window: half of what `benchmarks.wire` measured."""
    frame_gigaflop: float = 0.67
    """Measured: README.md."""
    windows: int = 8
    """Largest batch of the segmentation engine, as it is exported."""
    regions: int = 64
    """Largest batch of the caption engine, as it is exported."""
    window_regions: float = 5.6
    """Sentences per window; measured as Triton's mean batch, in RESULTS.md."""

    @property
    def calls(self) -> int:
        """Return the number of windows whose captions fit the largest batch."""
        return int(self.regions / self.window_regions)


@dataclass(frozen=True, slots=True)
class Prices:
    """Assumptions: on-demand prices of a large cloud in dollars, rounded; their ratio matters."""

    vcpu_hour: float = 0.04
    gpu_hour: float = 0.80
    """Including the four vCPU of its Triton pod."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """Number of replicas and GPUs; without GPUs the models run in the replicas."""

    replicas: int
    gpus: int = 0
    pod: Pod = Pod()
    gpu: Gpu = Gpu()

    def dollars(self, prices: Prices) -> float:
        """Return its cost per hour."""
        return self.replicas * self.pod.cores * prices.vcpu_hour + self.gpus * prices.gpu_hour


@dataclass(frozen=True, slots=True)
class Traffic:
    """Poisson arrivals at a rate, alone or in simultaneous groups of `group` clips on average."""

    rate: float
    works: tuple[ClipWork, ...]
    clips: int = 20_000
    group: float = 1.0
    routing: Routing = "random"
    seed: int = 0

    def arrivals(self) -> Iterator[float]:
        """Yield arrival times: a Poisson process of groups with geometric size."""
        generator = np.random.default_rng(self.seed)
        sizes = generator.geometric(1 / self.group, self.clips)
        gaps = generator.exponential(self.group / self.rate, self.clips)
        return iter(np.repeat(np.cumsum(gaps), sizes)[: self.clips].tolist())


@dataclass(frozen=True, slots=True)
class Seen:
    """Results of a simulation; seconds."""

    p50: float
    p99: float
    mean: float
    waited: float
    """Mean wait for a worker."""
    refused: float
    busy: float
    gpu_busy: float
    throughput: float


class Card:
    """A GPU that runs one execution at a time, batching waiting requests of the same kind.

    Segmentations are batched if their windows have the same length, captions always. Triton may run
    both engines concurrently; running them in turn here is the conservative assumption.
    """

    def __init__(self, clock: Clock, gpu: Gpu) -> None:
        self.busy = 0.0
        self._clock = clock
        self._gpu = gpu
        self._waiting: dict[int, deque[Resume]] = {}
        self._idle = True

    def infer(self, frames: int) -> Wait:
        """Wait for an execution with windows of this many frames; 0 stands for captions."""

        def wait(resume: Resume) -> None:
            self._waiting.setdefault(frames, deque()).append(resume)
            if self._idle:
                self._idle = False
                self._clock.start(self._run())

        return wait

    def _run(self) -> Process:
        """Serve the waiting requests, the kinds of work in turn, until none are left."""
        while self._waiting:
            frames = next(iter(self._waiting))
            alike = self._waiting.pop(frames)
            batch = [alike.popleft() for _ in range(min(self._largest(frames), len(alike)))]
            if alike:
                self._waiting[frames] = alike
            seconds = self._seconds(frames, len(batch))
            self.busy += seconds
            yield self._clock.pause(seconds)
            for resume in batch:
                resume()
        self._idle = True

    def _largest(self, frames: int) -> int:
        return self._gpu.windows if frames else self._gpu.calls

    def _seconds(self, frames: int, batch: int) -> float:
        if not frames:
            return self._gpu.caption_seconds
        arithmetic = frames * batch * self._gpu.frame_gigaflop / 1e3 / self._gpu.teraflops
        return self._gpu.launch_seconds + arithmetic


class Remote:
    """Models on cards used in round robin; a replica only sends and receives."""

    def __init__(self, cards: Sequence[Card], gpu: Gpu) -> None:
        self._cards = cycle(cards)
        self._gpu = gpu

    def segment(self, cores: Cores, window: WindowWork) -> Process:
        """Send the window and wait for the card."""
        yield cores.work(self._gpu.call_cpu_seconds)
        yield next(self._cards).infer(window.frames)

    def caption(self, cores: Cores, window: WindowWork) -> Process:  # noqa: ARG002
        """Wait for the card; the request size is negligible."""
        yield next(self._cards).infer(0)


def simulate(fleet: Fleet, traffic: Traffic) -> Seen:
    """Simulate a fleet under the given traffic."""
    clock = Clock()
    cards = [Card(clock, fleet.gpu) for _ in range(fleet.gpus)]
    remote = Remote(cards, fleet.gpu) if cards else None
    replicas = [
        _replica(clock, fleet.pod, remote or Embedded(clock)) for _ in range(fleet.replicas)
    ]
    choose = _balancer(replicas, traffic)
    visits: list[Visit] = []

    def come() -> Process:
        works = cycle(traffic.works)
        for due in traffic.arrivals():
            yield clock.pause(due - clock.now)
            clock.start(choose().visit(next(works), visits.append))

    clock.start(come())
    clock.run()
    return _summary(visits, clock.now, replicas, cards)


def _replica(clock: Clock, pod: Pod, engines: Engines) -> Replica:
    cores = Cores(clock, pod.cores)
    return Replica(clock, cores, engines, workers=pod.workers, queue_limit=pod.queue_limit)


def _balancer(replicas: list[Replica], traffic: Traffic) -> Callable[[], Replica]:
    if traffic.routing == "least":
        return lambda: min(replicas, key=lambda replica: replica.inside)
    generator = np.random.default_rng(traffic.seed + 1)
    drawn = iter(generator.integers(len(replicas), size=traffic.clips).tolist())
    return lambda: replicas[next(drawn)]


def _summary(
    visits: list[Visit], seconds: float, replicas: list[Replica], cards: list[Card]
) -> Seen:
    counted = sorted(visits, key=lambda visit: visit.due)[int(_WARM_UP * len(visits)) :]
    answered = [visit for visit in counted if visit.answered is not None]
    took = [visit.seconds for visit in answered]
    cores = sum(replica.cores.count for replica in replicas)
    return Seen(
        p50=float(np.quantile(took, 0.5)),
        p99=float(np.quantile(took, 0.99)),
        mean=float(np.mean(took)),
        waited=float(np.mean([visit.waited for visit in answered])),
        refused=1 - len(answered) / len(counted),
        busy=sum(replica.cores.used for replica in replicas) / (cores * seconds),
        gpu_busy=sum(card.busy for card in cards) / (len(cards) * seconds) if cards else 0.0,
        throughput=len(answered) / (visits[-1].due - counted[0].due),
    )
