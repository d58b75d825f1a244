"""Work in a thread, which ends before its caller does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T], *, stop: Callable[[], object] | None = None) -> T:
    """Do something in a thread; whoever is cancelled meanwhile calls `stop`, and waits for its end.

    So what it uses can be closed afterwards: a thread that begins late would open a closed
    SpooledTemporaryFile again, on disk.
    """
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        if stop is not None:
            stop()
        await asyncio.gather(running, return_exceptions=True)
        raise
