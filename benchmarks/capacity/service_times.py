"""The times of one clip on an idle service: seconds per stage and processor seconds.

Measured from outside, one request after the other, with films of several lengths. Times between two
lengths are interpolated linearly; they are not extrapolated.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, median

import httpx
import numpy as np
import psutil
from pydantic import BaseModel, ConfigDict

from benchmarks.gateway import HEIGHT, WIDTH, Service

FILE = Path(__file__).with_suffix(".json")
STAGES = ("probe", "decode", "segmentation", "postprocess", "caption", "encode")
_WARM_UP = 2


class ClipTimes(BaseModel):
    """Times of a clip of one length, alone in the service."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seconds: float
    clip_bytes: int
    answer_bytes: int
    runs: int
    whole: float
    """Seconds from the request to the answer, seen by the client; medians, like all wall times."""
    stages: dict[str, float]
    """Seconds per stage, as in the answer."""
    client_cpu: float
    """Processor seconds of the client; means, like all processor times."""
    gateway_cpu: float
    decoding_cpu: float


class ServiceTimes(BaseModel):
    """Clips of rising length on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: str
    date: str
    machine: str
    cores: int
    height: int
    width: int
    foreign_cores: float
    """Cores used by other processes meanwhile, including the host's steal."""
    clips: tuple[ClipTimes, ...]

    def between(self, seconds: float) -> ClipTimes:
        """Return the interpolated times of a clip between the shortest and the longest."""
        return ClipTimes(
            seconds=seconds,
            clip_bytes=round(self._at(seconds, [c.clip_bytes for c in self.clips])),
            answer_bytes=round(self._at(seconds, [c.answer_bytes for c in self.clips])),
            runs=min(c.runs for c in self.clips),
            whole=self._at(seconds, [c.whole for c in self.clips]),
            stages={s: self._at(seconds, [c.stages[s] for c in self.clips]) for s in STAGES},
            client_cpu=self._at(seconds, [c.client_cpu for c in self.clips]),
            gateway_cpu=self._at(seconds, [c.gateway_cpu for c in self.clips]),
            decoding_cpu=self._at(seconds, [c.decoding_cpu for c in self.clips]),
        )

    def _at(self, seconds: float, values: Sequence[float]) -> float:
        lengths = [clip.seconds for clip in self.clips]
        if not lengths[0] <= seconds <= lengths[-1]:
            raise ValueError(f"{seconds:g} s is not between {lengths[0]:g} and {lengths[-1]:g} s")
        return float(np.interp(seconds, lengths, values))


def merged(times: Sequence[ServiceTimes]) -> ServiceTimes:
    """Return the mean of several measurements."""
    by_clip = zip(*(one.clips for one in times), strict=True)
    return times[0].model_copy(
        update={
            "foreign_cores": round(fmean(one.foreign_cores for one in times), 3),
            "clips": tuple(_merged_clip(clips) for clips in by_clip),
        }
    )


def _merged_clip(clips: Sequence[ClipTimes]) -> ClipTimes:
    figures = ("whole", "client_cpu", "gateway_cpu", "decoding_cpu")
    means = {name: round(fmean(getattr(c, name) for c in clips), 4) for name in figures}
    stages = {stage: round(fmean(c.stages[stage] for c in clips), 4) for stage in STAGES}
    runs = sum(clip.runs for clip in clips)
    return clips[0].model_copy(update={"runs": runs, "stages": stages, **means})


def scaled(times: ServiceTimes, factor: float) -> ServiceTimes:
    """Return the times of a machine on which everything takes `factor` times as long."""
    figures = ("whole", "client_cpu", "gateway_cpu", "decoding_cpu")
    clips = tuple(
        clip.model_copy(
            update={
                "stages": {stage: factor * spent for stage, spent in clip.stages.items()},
                **{name: factor * getattr(clip, name) for name in figures},
            }
        )
        for clip in times.clips
    )
    return times.model_copy(update={"clips": clips})


class Meter:
    """Measures processor use, by this service and by others."""

    def __init__(self, running: Service) -> None:
        self._gateway = running.gateway
        self._own = psutil.Process()
        self._began = time.perf_counter(), self._all_busy(), sum(self.read())

    def read(self) -> tuple[float, float, float]:
        """Return the processor seconds so far of this process, the gateway and its children."""
        return (
            _cpu(self._own),
            _cpu(self._gateway),
            sum(_cpu(child) for child in self._gateway.children(recursive=True)),
        )

    def foreign_cores(self) -> float:
        """Return the cores that other processes have used since this meter was made, with steal."""
        began, busy, ours = self._began
        spent = time.perf_counter() - began
        return max(0.0, (self._all_busy() - busy - sum(self.read()) + ours) / spent)

    @staticmethod
    def _all_busy() -> float:
        times = psutil.cpu_times()
        return float(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice)


def measure(running: Service, clips: dict[int, bytes], *, runs: int, command: str) -> ServiceTimes:
    """Post each clip `runs` times to an otherwise idle service."""
    meter = Meter(running)
    with httpx.Client(base_url=running.address, timeout=120, trust_env=False) as client:
        measured = tuple(
            _measure_clip(client, meter, seconds, clip, runs=runs)
            for seconds, clip in sorted(clips.items())
        )
    return ServiceTimes(
        command=command,
        date=datetime.now(UTC).date().isoformat(),
        machine=platform.processor() or platform.machine(),
        cores=psutil.cpu_count() or 1,
        height=HEIGHT,
        width=WIDTH,
        foreign_cores=round(meter.foreign_cores(), 3),
        clips=measured,
    )


def _measure_clip(
    client: httpx.Client, meter: Meter, seconds: int, clip: bytes, *, runs: int
) -> ClipTimes:
    for _ in range(_WARM_UP):
        _post(client, clip)
    before = meter.read()
    answers = [_post(client, clip) for _ in range(runs)]
    mine, gateway, decoding = (
        (now - then) / runs for now, then in zip(meter.read(), before, strict=True)
    )
    return ClipTimes(
        seconds=seconds,
        clip_bytes=len(clip),
        answer_bytes=round(fmean(size for _, size, _ in answers)),
        runs=runs,
        whole=round(median(whole for whole, _, _ in answers), 4),
        stages={
            stage: round(median(told.get(stage, 0.0) for _, _, told in answers) / 1e3, 4)
            for stage in STAGES
        },
        client_cpu=round(mine, 4),
        gateway_cpu=round(gateway, 4),
        decoding_cpu=round(decoding, 4),
    )


def _post(client: httpx.Client, clip: bytes) -> tuple[float, int, dict[str, float]]:
    began = time.perf_counter()
    answer = client.post("/understand", content=clip, headers={"Content-Type": "video/mp4"})
    whole = time.perf_counter() - began
    answer.raise_for_status()
    return whole, len(answer.content), answer.json()["timings_ms"]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
