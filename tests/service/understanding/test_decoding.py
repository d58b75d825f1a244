import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from service.telemetry.metrics import Metrics
from service.understanding.decoding import DecodePool
from ssuformer import errors
from ssuformer.clip import Sampling, read_clip
from tests.service.conftest import children, small_settings

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def a_pool(**settings: object) -> AsyncIterator[tuple[DecodePool, Metrics]]:
    metrics = Metrics()
    pool = DecodePool(small_settings(**settings), metrics)
    await pool.start(chunk_frames=3)
    try:
        yield pool, metrics
    finally:
        await pool.close()


@contextmanager
def opened(media: bytes) -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        file.write(media)
        file.flush()
        yield file.fileno()


async def decode(pool: DecodePool, media: bytes) -> list[int]:
    with opened(media) as file:
        async with pool.decode(file, Sampling()) as decoding:
            return [len(chunk.times) async for chunk in decoding.chunks()]


def all_exits(metrics: Metrics) -> float:
    (family,) = metrics.decode_exits.collect()
    return sum(one.value for one in family.samples if one.name.endswith("_total"))


def exits(metrics: Metrics, reason: str) -> float:
    labels = {"reason": reason}
    return metrics.registry.get_sample_value("ssu_decode_child_exits_total", labels) or 0.0


async def test_what_a_child_decodes_is_what_the_clip_holds(clip: bytes) -> None:
    expected = read_clip(clip)
    async with a_pool() as (pool, _):
        with opened(clip) as file:
            async with pool.decode(file, Sampling()) as decoding:
                chunks = [chunk async for chunk in decoding.chunks()]

    assert [len(chunk.times) for chunk in chunks] == [3, 1]
    np.testing.assert_array_equal(np.concatenate([c.frames for c in chunks]), expected.frames)
    np.testing.assert_array_equal(np.concatenate([c.waveform for c in chunks]), expected.waveform)
    assert decoding.info == expected.info
    assert decoding.duration == expected.duration


async def test_a_refused_clip_costs_no_process(clip: bytes) -> None:
    async with a_pool() as (pool, metrics):
        before = children()

        with pytest.raises(errors.ClipUnreadable):
            await decode(pool, b"no clip at all")

        assert await decode(pool, clip) == [3, 1]
        assert children() == before
        assert all_exits(metrics) == 0


async def test_a_child_that_is_too_slow_is_killed_and_replaced(clip: bytes) -> None:
    async with a_pool(decode_seconds=0.3) as (pool, metrics):
        (slow,) = children()
        os.kill(slow, signal.SIGSTOP)

        with pytest.raises(errors.DecodeTimeout) as raised:
            await decode(pool, clip)

        assert raised.value.limit == 0.3
        assert exits(metrics, "decode_timeout") == 1
        assert slow not in children()


async def test_a_child_that_died_while_idle_is_replaced_and_no_clip_pays_for_it(
    clip: bytes,
) -> None:
    async with a_pool() as (pool, metrics):
        (doomed,) = children()
        os.kill(doomed, signal.SIGKILL)
        await asyncio.sleep(0.1)

        assert await decode(pool, clip) == [3, 1]
        assert exits(metrics, "died_idle") == 1


async def test_a_child_that_dies_at_work_is_replaced_and_the_next_clip_is_decoded(
    clip: bytes,
) -> None:
    async with a_pool() as (pool, metrics):
        (doomed,) = children()

        async def decode_until_struck() -> None:
            with opened(clip) as file:
                async with pool.decode(file, Sampling()) as decoding:
                    os.kill(doomed, signal.SIGKILL)
                    await anext(decoding.chunks())

        with pytest.raises(errors.DecodeFailed):
            await decode_until_struck()

        assert await decode(pool, clip) == [3, 1]
        assert exits(metrics, "decode_failed") == 1


async def test_leaving_early_ends_the_process(clip: bytes) -> None:
    async with a_pool() as (pool, metrics):
        (child,) = children()

        with opened(clip) as file:
            async with pool.decode(file, Sampling()) as decoding:
                await anext(decoding.chunks())

        assert child not in children()
        assert exits(metrics, "abandoned") == 1
        assert await decode(pool, clip) == [3, 1]


async def test_a_cancelled_request_ends_the_process(clip: bytes) -> None:
    async with a_pool() as (pool, _):
        (child,) = children()
        os.kill(child, signal.SIGSTOP)
        task = asyncio.create_task(decode(pool, clip))
        await asyncio.sleep(0.1)

        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert task.cancelled()
        assert child not in children()


async def test_a_child_may_take_no_more_than_it_is_given() -> None:
    async with a_pool(decode_memory=2**30):
        (child,) = children()

        limits = Path(f"/proc/{child}/limits").read_text().splitlines()

    allowed = {line[:26].strip(): line[26:].split()[:2] for line in limits}
    assert allowed["Max address space"] == [str(2**30)] * 2
    assert allowed["Max file size"] == ["0", "0"]
    assert int(allowed["Max open files"][1]) < 100


async def test_closing_the_pool_leaves_no_process() -> None:
    async with a_pool(workers=2):
        assert len(children()) == 2

    assert children() == []
