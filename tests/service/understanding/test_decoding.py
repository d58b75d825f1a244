import asyncio
import io
import json
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import orjson
import pytest

from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.telemetry.trace import Trace
from service.understanding.decoding import DecodePool
from ssuformer import errors
from ssuformer.clip import Chunk, Sampling, read_clip
from tests.service.conftest import children, descendants, small_settings
from tests.ssuformer.footage import Footage

pytestmark = pytest.mark.anyio

_SAID = ("info", "chunk", "chunk", "end")
_MANY = Sampling(fps=10)
"""More chunks than a child has ready before it is struck."""


@asynccontextmanager
async def a_pool(
    log: io.StringIO | None = None, **settings: object
) -> AsyncIterator[tuple[DecodePool, Metrics]]:
    metrics = Metrics()
    pool = DecodePool(small_settings(**settings), metrics, make_log("info", log or io.StringIO()))
    await pool.start(chunk_frames=3)
    try:
        yield pool, metrics
    finally:
        await pool.close()


async def test_a_clip_has_one_thread_while_there_is_one_for_every_core() -> None:
    settings, log = small_settings(decode_threads=4), make_log("info", io.StringIO())

    spacious = DecodePool(settings, Metrics(), log, crowded=lambda: False)
    crowded = DecodePool(settings, Metrics(), log, crowded=lambda: True)

    assert spacious.limits.threads == 4
    assert crowded.limits.threads == 1


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


async def some_children() -> list[int]:
    """The decoding processes, once there are any."""
    while not (found := children()):
        await asyncio.sleep(0.01)
    return found


async def is_gone(process: int) -> bool:
    """Whether a process is no more within a second: it is killed, and not waited for."""
    for _ in range(100):
        if process not in children():
            return True
        await asyncio.sleep(0.01)
    return False


def all_exits(metrics: Metrics) -> float:
    (family,) = metrics.decode_exits.collect()
    return sum(one.value for one in family.samples if one.name.endswith("_total"))


def exits(metrics: Metrics, reason: str, cause: str = "") -> float:
    labels = {"reason": reason, "cause": cause}
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


class _Noted(Trace):
    """A trace that keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(None)
        self.works: list[tuple[str, float, float]] = []

    def note(self, name: str, *, began: float, seconds: float, code: str | None = None) -> None:
        assert code is None
        self.works.append((name, began, began + seconds))


async def test_a_process_says_how_long_it_has_worked(clip: bytes) -> None:
    trace, before = _Noted(), time.monotonic()
    async with a_pool() as (pool, _):
        with opened(clip) as file:
            async with pool.decode(file, Sampling(), trace) as decoding:
                assert [len(chunk.times) async for chunk in decoding.chunks()] == [3, 1]

    assert [work[0] for work in trace.works] == [f"decoder {kind}" for kind in _SAID]
    assert all(before < began < ended < time.monotonic() for _, began, ended in trace.works)


async def test_a_process_that_claims_more_time_than_it_had_is_not_believed() -> None:
    facts = orjson.dumps({"info": asdict(read_clip(Footage().make()).info), "seconds": 1e6})
    trace, metrics = _Noted(), Metrics()
    log = make_log("info", io.StringIO())
    pool = DecodePool(small_settings(), metrics, log, program="tests.service.understanding.babbler")
    await pool.start(chunk_frames=3)
    try:
        with opened(facts) as file:
            async with pool.decode(file, Sampling(), trace):
                pass
    finally:
        await pool.close()

    ((_, began, ended),) = trace.works
    assert began < ended < began + 60


async def test_a_refused_clip_is_no_failure_of_its_process(clip: bytes) -> None:
    async with a_pool() as (pool, metrics):
        with pytest.raises(errors.ClipUnreadable):
            await decode(pool, b"no clip at all")

        assert await decode(pool, clip) == [3, 1]
        assert all_exits(metrics) == 0


async def test_every_clip_has_a_process_of_its_own(clip: bytes) -> None:
    async with a_pool() as (pool, metrics):
        for _ in range(3):
            (child,) = await some_children()

            await decode(pool, clip)

            assert await is_gone(child)
        assert all_exits(metrics) == 0


async def test_a_child_that_is_too_slow_is_killed_and_replaced(clip: bytes) -> None:
    async with a_pool(decode_seconds=0.3) as (pool, metrics):
        (slow,) = children()
        os.kill(slow, signal.SIGSTOP)

        with pytest.raises(errors.DecodeTimeout) as raised:
            await decode(pool, clip)

        assert raised.value.limit == 0.3
        assert exits(metrics, "decode_timeout", "slow") == 1
        assert await is_gone(slow)


async def test_a_child_that_died_while_idle_is_replaced_and_no_clip_pays_for_it(
    clip: bytes,
) -> None:
    async with a_pool() as (pool, metrics):
        (doomed,) = children()
        os.kill(doomed, signal.SIGKILL)
        await asyncio.sleep(0.1)

        assert await decode(pool, clip) == [3, 1]
        assert exits(metrics, "died_idle", "SIGKILL") == 1


async def decode_struck(pool: DecodePool, media: bytes, *strikes: int) -> list[Chunk]:
    """Decode a clip, and kill its process after each chunk for which there is a strike."""
    found: list[Chunk] = []
    left = list(strikes)
    with opened(media) as file:
        async with pool.decode(file, _MANY) as decoding:
            async for chunk in decoding.chunks():
                found.append(chunk)
                if left:
                    for child in await some_children():
                        os.kill(child, left[0])
                    left.pop(0)
    return found


async def test_a_clip_whose_child_dies_is_decoded_by_a_fresh_one(clip: bytes) -> None:
    expected = read_clip(clip, sampling=_MANY)
    log = io.StringIO()
    async with a_pool(log) as (pool, metrics):
        found = await decode_struck(pool, clip, signal.SIGSEGV)

        np.testing.assert_array_equal(np.concatenate([c.frames for c in found]), expected.frames)
        np.testing.assert_array_equal(np.concatenate([c.times for c in found]), expected.times)
        assert exits(metrics, "decode_failed", "SIGSEGV") == 1
        line = json.loads(log.getvalue().splitlines()[-1])
        assert (line["event"], line["cause"], line["exit_status"]) == (
            "decoding_process_failed",
            "SIGSEGV",
            -signal.SIGSEGV,
        )


async def test_a_clip_whose_second_child_dies_too_fails_and_the_next_one_does_not(
    clip: bytes,
) -> None:
    async with a_pool() as (pool, metrics):
        with pytest.raises(errors.DecodeFailed):
            await decode_struck(pool, clip, signal.SIGKILL, signal.SIGABRT)

        assert await decode(pool, clip) == [3, 1]
        assert exits(metrics, "decode_failed", "SIGKILL") == 1
        assert exits(metrics, "decode_failed", "SIGABRT") == 1


async def test_leaving_early_ends_the_process(clip: bytes) -> None:
    async with a_pool() as (pool, metrics):
        (child,) = children()

        with opened(clip) as file:
            async with pool.decode(file, Sampling()) as decoding:
                await anext(decoding.chunks())

        assert await is_gone(child)
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
        assert await is_gone(child)


async def test_a_child_may_take_no_more_than_it_is_given() -> None:
    async with a_pool(decode_memory=2**30):
        (child,) = children()

        limits = Path(f"/proc/{child}/limits").read_text().splitlines()

    allowed = {line[:26].strip(): line[26:].split()[:2] for line in limits}
    assert allowed["Max address space"] == [str(2**30)] * 2
    assert allowed["Max file size"] == ["0", "0"]
    assert int(allowed["Max open files"][1]) < 100


async def test_if_memory_runs_out_a_child_goes_before_the_one_that_starts_all_others() -> None:
    async with a_pool() as (pool, _):
        (child,) = children()
        template = [number for number in descendants() if number != child]

        scores = {number: oom_score_adj(number) for number in (child, *template)}

    assert pool.template_process in template
    assert scores[child] == 1000
    assert 500 in scores.values()
    assert all(scores[number] <= 500 for number in template)


def oom_score_adj(process: int) -> int:
    return int(Path(f"/proc/{process}/oom_score_adj").read_text())


async def test_closing_the_pool_leaves_no_process() -> None:
    async with a_pool(workers=2):
        assert len(children()) == 2

    assert children() == []


async def test_decoded_and_dropped_packets_are_counted(clip: bytes) -> None:
    async with a_pool() as (pool, metrics):
        await decode(pool, clip)

        counted = {
            fate: metrics.registry.get_sample_value("ssu_video_packets_total", {"fate": fate}) or 0
            for fate in ("decoded", "dropped")
        }
        assert counted["decoded"] > 0
        assert sum(counted.values()) == 100
