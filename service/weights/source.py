"""What a rollout asks of its surroundings: weights, and the time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from service.engines.engine import Engine


class Source(Protocol):
    """Where weights come from; may block, and raises EngineError for what it cannot give."""

    def versions(self) -> list[int]:
        """Return the versions there are, the newest first, and at least one."""
        ...

    def load(self, version: int) -> Engine:
        """Return an engine with the weights of that version."""
        ...


class Clock:
    """The monotonic clock of this machine; a test gives one of its own."""

    def now(self) -> float:
        """Return the time in seconds, since whenever."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait until so much later."""
        await asyncio.sleep(seconds)
