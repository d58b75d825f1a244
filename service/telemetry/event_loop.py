"""Event loop lag: whether something blocks the loop."""

from __future__ import annotations

import asyncio
import time

from service.telemetry.metrics import Metrics

_PERIOD_SECONDS = 0.25


async def watch_event_loop(metrics: Metrics) -> None:
    """Record continuously how late the loop wakes up."""
    while True:
        due = time.monotonic() + _PERIOD_SECONDS
        await asyncio.sleep(_PERIOD_SECONDS)
        metrics.event_loop_lag.observe(max(0.0, time.monotonic() - due))
