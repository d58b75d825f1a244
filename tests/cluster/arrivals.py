"""Requests at a constant rate, each on a connection of its own, until there are enough."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

LIGHT = ("/limits", "/models")
PER_SECOND = 20.0
CLIP_EVERY = 40
"""One request of so many is a clip: what two cores can carry beside the cluster itself."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: a status, or the name of what went wrong."""

    path: str
    result: str
    seconds: float
    """From when it should have been sent to the end of its answer."""
    late: float
    """How much later than it should have been sent it was sent."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The outcomes so far."""

    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome]:
        """Return the requests that were not answered with 200."""
        return [outcome for outcome in self.outcomes if outcome.result != "200"]

    def figures(self) -> dict[str, object]:
        """Return what a table says of these requests."""
        times = sorted(outcome.seconds for outcome in self.outcomes)
        return {
            "requests": len(self.outcomes),
            "clips": sum(outcome.path == "/understand" for outcome in self.outcomes),
            "failed": len(self.failed),
            **Counter(outcome.result for outcome in self.failed),
            "p50_ms": round(1e3 * times[len(times) // 2]),
            "worst_ms": round(1e3 * times[-1]),
            "sent_late_ms": round(1e3 * max(outcome.late for outcome in self.outcomes)),
        }


@asynccontextmanager
async def arriving(address: str, headers: dict[str, str], clip: bytes) -> AsyncIterator[Arrivals]:
    """Send requests until left, then wait for their answers."""
    arrivals = Arrivals()
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=address, headers=headers, limits=limits, timeout=60, trust_env=False
    ) as client:
        under_way: set[asyncio.Task[None]] = set()

        async def send() -> None:
            began = time.perf_counter()
            for number in itertools.count():
                due = began + number / PER_SECOND
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                request = _request(client, number, clip)
                under_way.add(asyncio.create_task(_ask(client, request, due, arrivals)))

        sender = asyncio.create_task(send())
        try:
            yield arrivals
        finally:
            sender.cancel()
            await asyncio.gather(sender, *under_way, return_exceptions=True)


def _request(client: httpx.AsyncClient, number: int, clip: bytes) -> httpx.Request:
    if number % CLIP_EVERY != CLIP_EVERY - 1:
        return client.build_request("GET", LIGHT[number % len(LIGHT)])
    kind = {"Content-Type": "video/mp4"}
    return client.build_request("POST", "/understand", content=clip, headers=kind)


async def _ask(
    client: httpx.AsyncClient, request: httpx.Request, due: float, arrivals: Arrivals
) -> None:
    late = time.perf_counter() - due
    try:
        result = str((await client.send(request)).status_code)
    except httpx.HTTPError as error:
        result = type(error).__name__
    seconds = time.perf_counter() - due
    arrivals.outcomes.append(Outcome(request.url.path, result, seconds, late))
