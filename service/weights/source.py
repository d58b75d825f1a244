"""Interfaces of a rollout: the source of weights, and the clock."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from service.engines.engine import Engine


class Source(Protocol):
    """A source of weights; may block, and raises EngineError for a version it cannot load."""

    def versions(self) -> list[int]:
        """Return the available versions, the newest first, at least one."""
        ...

    def load(self, version: int) -> Engine:
        """Return an engine with the weights of that version."""
        ...


class Clock:
    """The monotonic clock of this machine; tests replace it."""

    def now(self) -> float:
        """Return the time in seconds from an arbitrary start."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for this many seconds."""
        await asyncio.sleep(seconds)
