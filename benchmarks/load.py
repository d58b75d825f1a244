"""Open-model load: requests arrive independently of earlier responses."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx
import numpy as np


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one request; `seconds` count from its scheduled time."""

    due: float
    seconds: float
    status: int
    timings_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Level:
    """The results at one arrival rate."""

    per_second: float
    seconds: float
    outcomes: tuple[Outcome, ...]
    took: float
    """From the first arrival to the last answer, in seconds."""

    @property
    def answered(self) -> list[Outcome]:
        """Return the successful requests."""
        return [outcome for outcome in self.outcomes if outcome.status == httpx.codes.OK]

    @property
    def throughput(self) -> float:
        """Return the answers per second of the whole level."""
        return len(self.answered) / self.took

    def quantile(self, share: float) -> float:
        """Return a quantile of the answered requests' seconds, NaN if there are none."""
        return float(np.quantile([o.seconds for o in self.answered] or [np.nan], share))

    def mean_stage(self, stage: str) -> float:
        """Return the mean milliseconds the answered requests spent in a stage."""
        spent = [outcome.timings_ms.get(stage, 0.0) for outcome in self.answered]
        return float(np.mean(spent or [np.nan]))


def arrivals(per_second: float, seconds: float, seed: int) -> Iterator[float]:
    """Yield the times of a Poisson process until `seconds`."""
    generator = np.random.default_rng(seed)
    time_of = float(generator.exponential(1 / per_second))
    while time_of < seconds:
        yield time_of
        time_of += float(generator.exponential(1 / per_second))


async def drive(
    address: str, clips: Sequence[bytes], *, per_second: float, seconds: float, seed: int = 0
) -> Level:
    """Post clips in turn at a rate and return when the last one is answered."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=address, limits=limits, timeout=300, trust_env=False
    ) as client:
        began = time.perf_counter()
        tasks = []
        for number, due in enumerate(arrivals(per_second, seconds, seed)):
            await asyncio.sleep(max(0.0, began + due - time.perf_counter()))
            clip = clips[number % len(clips)]
            tasks.append(asyncio.create_task(_post(client, clip, began, due)))
        outcomes = await asyncio.gather(*tasks)
        return Level(per_second, seconds, tuple(outcomes), time.perf_counter() - began)


async def _post(client: httpx.AsyncClient, clip: bytes, began: float, due: float) -> Outcome:
    answer = await client.post("/understand", content=clip, headers={"Content-Type": "video/mp4"})
    seconds = time.perf_counter() - began - due
    whole = answer.status_code == httpx.codes.OK
    timings = answer.json()["timings_ms"] if whole else {}
    return Outcome(due, seconds, answer.status_code, timings)
