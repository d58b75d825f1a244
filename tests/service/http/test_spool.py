import asyncio
from typing import Any

import pytest

from service.http import spool
from service.http.spool import Spool

pytestmark = pytest.mark.anyio


def on_disk(one: Spool) -> bool:
    file: Any = one._file
    return bool(file._rolled)


async def test_what_was_written_is_read_once_and_in_order() -> None:
    with Spool() as one:
        await one.write(b"a")
        await one.write(b"bc")
        first = await one.read()
        await one.write(b"d")

        assert (first, await one.read(), one.unread) == (b"abc", b"d", 0)


async def test_the_reader_waits_for_news_and_learns_of_the_end() -> None:
    with Spool() as one:
        waiting = asyncio.create_task(one.ready())
        await asyncio.sleep(0)
        assert not waiting.done()

        await one.write(b"a")
        assert await waiting
        one.end()
        assert await one.ready()
        await one.read()

        assert not await one.ready()


async def test_what_is_read_in_time_is_never_on_disk_however_long_it_gets() -> None:
    with Spool() as one:
        for _ in range(12):
            await one.write(bytes(spool.IN_MEMORY // 4))
            while one.unread:
                await one.read()

        assert not on_disk(one)


async def test_what_nobody_reads_is_on_disk_and_comes_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "_PIECE", 1000)
    written = bytes(range(256)) * 40
    with Spool() as one:
        one._file._max_size = 5_000  # type: ignore[attr-defined]
        await one.write(written)

        assert on_disk(one)
        read = b""
        while one.unread:
            read += await one.read()
        assert read == written
