"""The lifetime of a request: until it is answered, times out, or the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.telemetry.stages import StageClock
from ssuformer.errors import DeadlineExceeded

T = TypeVar("T")


async def within(
    seconds: float, work: Coroutine[Any, Any, T], *, clock: StageClock, client: Request | None
) -> T:
    """Return the result of the work; cancel it this many seconds after the request arrived.

    With a client, whose body must have been read, also cancel the work when it disconnects. Raises
    DeadlineExceeded naming the stage that was reached, or ClientDisconnect.
    """
    task = asyncio.create_task(work)
    racing: list[asyncio.Task[Any]] = [task]
    if client is not None:
        racing.append(asyncio.create_task(left(client)))
    try:
        rest = max(0.0, seconds - clock.elapsed)
        done, _ = await asyncio.wait(racing, timeout=rest, return_when=asyncio.FIRST_COMPLETED)
        # An engine that was given the remaining time may time out a moment before this does.
        with suppress(DeadlineExceeded):
            if task in done:
                return task.result()
        if done - {task}:
            raise ClientDisconnect("the client disconnected")
        raise DeadlineExceeded(
            f"the request took longer than {seconds:g} s; it had reached: {clock.current}",
            limit=seconds,
            actual=clock.current,
        )
    finally:
        for one in racing:
            one.cancel()
        await asyncio.gather(*racing, return_exceptions=True)


async def left(client: Request) -> None:
    """Return once a client has left, whose body must have been read."""
    while (await client.receive())["type"] != "http.disconnect":
        pass
