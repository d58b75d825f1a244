"""Threads end before those who wait for them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from service.http.threads import in_thread

pytestmark = pytest.mark.anyio


async def test_whoever_is_cancelled_waits_until_the_thread_has_ended() -> None:
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        may_end.wait()
        ended.set()

    task = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(began.wait)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_thread_is_told_to_stop() -> None:
    began, stopped = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        stopped.wait()
        raise ValueError("stopped")

    task = asyncio.create_task(in_thread(work, stop=stopped.set))
    await asyncio.to_thread(began.wait)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_results_and_errors_come_through() -> None:
    def fail() -> None:
        raise ValueError("wrong")

    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ValueError, match="wrong"):
        await in_thread(fail)
