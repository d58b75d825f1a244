"""Simulation of one replica: its use of cores, engines and queue places.

It models only what determines the times: the bounded queue and the workers, a decoding
process that is one chunk ahead, windows, one inference at a time, cores shared by all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from benchmarks.capacity.queueing import Clock, Cores, Process, Turns
from benchmarks.capacity.service_times import ClipTimes, ServiceTimes
from service.understanding.windows import cut
from ssuformer.clip import Chunk

WINDOW, OVERLAP = 10, 2
"""Frames, as in the manifest and the settings of the measurement."""


@dataclass(frozen=True, slots=True)
class Job:
    """Seconds of work when alone, and the number of cores used."""

    seconds: float
    width: float = 1.0

    @property
    def core_seconds(self) -> float:
        """Its processor time."""
        return self.seconds * self.width


@dataclass(frozen=True, slots=True)
class WindowWork:
    """The work for one window, and the number of chunks that must be decoded before."""

    chunks: int
    frames: int
    segmentation: Job
    postprocess: Job
    caption: Job


@dataclass(frozen=True, slots=True)
class ClipWork:
    """The jobs of a clip, in order of execution."""

    transfer: Job
    """Sending, receiving and reading: all time outside the stages."""
    probe: Job
    chunks: tuple[Job, ...]
    windows: tuple[WindowWork, ...]

    @property
    def engine_seconds(self) -> float:
        """How long the embedded engines are held, when alone."""
        return sum(w.segmentation.seconds + w.caption.seconds for w in self.windows)

    @property
    def engine_core_seconds(self) -> float:
        """Processor time of the embedded engines."""
        return sum(w.segmentation.core_seconds + w.caption.core_seconds for w in self.windows)

    @property
    def other_core_seconds(self) -> float:
        """Processor time of everything except the engines, mostly decoding."""
        jobs = [self.transfer, self.probe, *self.chunks, *(w.postprocess for w in self.windows)]
        return sum(job.core_seconds for job in jobs)


def clip_work(times: ServiceTimes, seconds: float, *, client: bool) -> ClipWork:
    """Return the work of a clip; `client`: the client runs on the same cores."""
    clip = times.between(seconds)
    widths = _widths(times)
    plan = _plan(round(seconds))
    segmented = sum(frames for _, frames in plan)
    shares = [frames / segmented for _, frames in plan]
    computed = _computed_share(clip, widths)
    probe = clip.stages["probe"]
    decode = max(0.0, clip.decoding_cpu / widths.decode - probe)
    chunks = [min(WINDOW, round(seconds) - begin) for begin in range(0, round(seconds), WINDOW)]
    transfer = _transfer(clip) if client else max(0.0, _transfer(clip) - clip.client_cpu)
    return ClipWork(
        transfer=Job(transfer + clip.stages["encode"]),
        probe=Job(probe, widths.decode),
        chunks=tuple(Job(decode * n / sum(chunks), widths.decode) for n in chunks),
        windows=tuple(
            WindowWork(
                chunks=needed,
                frames=frames,
                segmentation=Job(
                    clip.stages["segmentation"] * computed * share, widths.segmentation
                ),
                postprocess=Job(clip.stages["postprocess"] * computed * share),
                caption=Job(clip.stages["caption"] * computed * share),
            )
            for (needed, frames), share in zip(plan, shares, strict=True)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Widths:
    """The number of cores used by multi-threaded work."""

    decode: float
    segmentation: float


def _widths(times: ServiceTimes) -> _Widths:
    """Return processor time over wall time, from clips of one chunk, where nothing overlaps."""
    short = [clip for clip in times.clips if clip.seconds <= WINDOW]
    decoded = sum(clip.stages["probe"] + clip.stages["decode"] for clip in short)
    segmented = sum(clip.stages["segmentation"] for clip in short)
    computed = sum(_engine_cpu(clip) - _single(clip) for clip in short)
    return _Widths(
        decode=sum(clip.decoding_cpu for clip in short) / decoded,
        segmentation=max(1.0, computed / segmented),
    )


def _transfer(clip: ClipTimes) -> float:
    """Return the seconds outside all stages: sending, receiving, reading."""
    return max(0.0, clip.whole - sum(clip.stages.values()))


def _engine_cpu(clip: ClipTimes) -> float:
    """Return the gateway's processor time for windows, without transfer."""
    own = max(0.0, _transfer(clip) - clip.client_cpu)
    return clip.gateway_cpu - own - clip.stages["encode"]


def _single(clip: ClipTimes) -> float:
    """Return the seconds of a window's single-threaded work."""
    return clip.stages["postprocess"] + clip.stages["caption"]


def _computed_share(clip: ClipTimes, widths: _Widths) -> float:
    """Return the share of work in the stages after decoding: a long clip is decoded meanwhile.

    Its waiting time for cores is excluded, as the simulation adds it again.
    """
    if clip.seconds <= WINDOW:
        return 1.0
    alone = clip.stages["segmentation"] * widths.segmentation + _single(clip)
    return min(1.0, _engine_cpu(clip) / alone)


@lru_cache
def _plan(frames: int) -> tuple[tuple[int, int], ...]:
    """Return the chunks needed and the frames of each window, as cut by the service."""
    read = 0

    async def chunks() -> AsyncIterator[Chunk]:
        nonlocal read
        for begin in range(0, frames, WINDOW):
            read += 1
            times = np.arange(begin, min(begin + WINDOW, frames), dtype=np.float64)
            silence = np.empty((len(times), 0), np.float32)
            yield Chunk(np.empty((len(times), 0), np.uint8), silence, times)

    async def windows() -> tuple[tuple[int, int], ...]:
        return tuple(
            [
                (read, len(window.chunk.times))
                async for window in cut(chunks(), size=WINDOW, overlap=OVERLAP)
            ]
        )

    return asyncio.run(windows())


class Engines(Protocol):
    """Where the models of a replica run."""

    def segment(self, cores: Cores, window: WindowWork) -> Process:
        """Wait until a window has been segmented."""
        ...

    def caption(self, cores: Cores, window: WindowWork) -> Process:
        """Wait until its regions have been described."""
        ...


class Embedded:
    """In the gateway's own process: one inference at a time, on the gateway's cores."""

    def __init__(self, clock: Clock) -> None:
        self._turn = Turns(clock, 1)

    def segment(self, cores: Cores, window: WindowWork) -> Process:
        """Wait for the engine, then compute."""
        return self._run(cores, window.segmentation)

    def caption(self, cores: Cores, window: WindowWork) -> Process:
        """Wait for the engine, then compute."""
        return self._run(cores, window.caption)

    def _run(self, cores: Cores, job: Job) -> Process:
        yield self._turn.take
        yield cores.work(job.seconds, width=job.width)
        self._turn.give()


@dataclass(slots=True)
class Visit:
    """The result of one clip; seconds of simulated time."""

    due: float
    answered: float | None = None
    """None while it is in progress, and if it was rejected."""
    waited: float = 0.0
    """Waiting time in the queue."""

    @property
    def seconds(self) -> float:
        """From the arrival to the answer."""
        if self.answered is None:
            raise ValueError("the clip was refused")
        return self.answered - self.due


class Replica:
    """One gateway: `workers` clips in work, `queue_limit` waiting; more are rejected."""

    def __init__(
        self, clock: Clock, cores: Cores, engines: Engines, *, workers: int, queue_limit: int
    ) -> None:
        self.inside = 0
        self.cores = cores
        self._clock = clock
        self._engines = engines
        self._places = workers + queue_limit
        self._turns = Turns(clock, workers)

    def visit(self, work: ClipWork, told: Callable[[Visit], None]) -> Process:
        """Process or reject a clip; finally call `told` with the result."""
        visit = Visit(self._clock.now)
        if self.inside < self._places:
            self.inside += 1
            yield from self._work(work, visit)
            self.inside -= 1
            visit.answered = self._clock.now
        told(visit)

    def _work(self, work: ClipWork, visit: Visit) -> Process:
        yield self.cores.work(work.transfer.seconds, width=work.transfer.width)
        began = self._clock.now
        yield self._turns.take
        visit.waited = self._clock.now - began
        yield self.cores.work(work.probe.seconds, width=work.probe.width)
        asked, decoded = Turns(self._clock, 1), Turns(self._clock, 0)
        self._clock.start(self._decode(work, asked, decoded))
        read = 0
        for window in work.windows:
            while read < window.chunks:
                yield decoded.take
                asked.give()
                read += 1
            yield from self._engines.segment(self.cores, window)
            yield self.cores.work(window.postprocess.seconds)
            yield from self._engines.caption(self.cores, window)
        self._turns.give()

    def _decode(self, work: ClipWork, asked: Turns, decoded: Turns) -> Process:
        """Decode a chunk on request: the next one while this one is processed."""
        for chunk in work.chunks:
            yield asked.take
            yield self.cores.work(chunk.seconds, width=chunk.width)
            decoded.give()
