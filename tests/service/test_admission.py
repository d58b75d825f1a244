"""Who comes next, who has to leave, and when to come again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from service.admission import Admission
from service.telemetry.metrics import Metrics
from service.telemetry.stages import StageClock
from ssuformer.errors import Overloaded

pytestmark = pytest.mark.anyio


class Workplace:
    """An admission whose worker is busy until it is let go, and the order in which clips begin."""

    def __init__(self, *, queue_limit: int = 16, workers: int = 1, cores: int = 1) -> None:
        self.time = 0.0
        self.followers = 0
        """How many clips follow, each sent while one is in work."""
        self.metrics = Metrics()
        self.admission = Admission(
            workers=workers,
            queue_limit=queue_limit,
            cores=cores,
            metrics=self.metrics,
            now=lambda: self.time,
        )
        self.order: list[str] = []
        self.refused: list[str] = []
        self._busy = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def clip(self, name: str, cost: float = 1.0) -> None:
        """Send a clip that takes what it costs; the first letter of its name is its sender."""
        self.tasks.append(asyncio.create_task(self._clip(name, cost)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _clip(self, name: str, cost: float) -> None:
        try:
            async with self.admission.turn(StageClock(), sender=name[0], cost=cost):
                self.order.append(name)
                if name.endswith("!"):
                    await self._busy.wait()
                elif self.followers:
                    self.followers -= 1
                    await self.clip(f"{name[0]}-next", cost)
                self.time += cost
        except Overloaded:
            self.refused.append(name)

    async def finish(self) -> list[str]:
        self._busy.set()
        while not all(task.done() for task in self.tasks):
            await asyncio.gather(*self.tasks, return_exceptions=True)
        return [name for name in self.order if not name.endswith("!")]


@asynccontextmanager
async def busy(queue_limit: int = 16) -> AsyncIterator[Workplace]:
    work = Workplace(queue_limit=queue_limit)
    await work.clip("z!")
    try:
        yield work
    finally:
        await work.finish()


async def test_it_is_crowded_while_every_core_has_a_clip() -> None:
    work = Workplace(workers=3, cores=2)

    found = [work.admission.crowded()]
    for name in ("a!", "b!", "c!"):
        await work.clip(name)
        found.append(work.admission.crowded())
    await work.finish()

    assert [*found, work.admission.crowded()] == [False, False, True, True, False]


async def test_senders_take_turns_however_much_one_of_them_sends() -> None:
    async with busy() as work:
        for name in ("a1", "a2", "a3", "a4", "b1", "b2"):
            await work.clip(name)

        assert await work.finish() == ["a1", "b1", "a2", "b2", "a3", "a4"]


async def test_a_sender_of_long_clips_gets_no_more_work_done_than_one_of_short() -> None:
    async with busy() as work:
        for name, cost in (("a1", 4.0), ("a2", 4.0), *((f"b{i}", 1.0) for i in range(8))):
            await work.clip(name, cost)

        order = await work.finish()

    assert order.index("a2") >= 4


async def test_short_clips_come_before_long_ones_but_none_waits_for_ever() -> None:
    async with busy() as work:
        await work.clip("a-long", cost=5)
        await work.clip("a-short", cost=1)
        assert (await work.finish())[0] == "a-short"

    async with busy() as work:
        work.followers = 40
        await work.clip("a-long", cost=10)
        await work.clip("a-short", cost=1)
        order = await work.finish()

    assert order.index("a-long") < 15


async def test_a_full_queue_makes_room_for_a_sender_with_less_in_it() -> None:
    async with busy(queue_limit=3) as work:
        for name in ("a1", "a2", "a3", "b1", "a4", "c1", "c2"):
            await work.clip(name)

        assert work.refused == ["a3", "a4", "a2", "c2"]
        assert await work.finish() == ["a1", "b1", "c1"]


async def test_a_sender_that_comes_back_has_neither_saved_up_nor_lost() -> None:
    async with busy() as work:
        for number in range(4):
            await work.clip(f"a{number}")
        await work.clip("b0")
        for task in list(work.tasks[-1:]):
            task.cancel()
        await asyncio.sleep(0)
        await work.clip("b1")

        assert (await work.finish()).index("b1") <= 1


async def test_a_place_is_given_back_by_a_clip_that_is_cancelled() -> None:
    work = Workplace(queue_limit=1)
    await work.clip("a!")
    await work.clip("b1")
    for task in work.tasks:
        task.cancel()
    await asyncio.gather(*work.tasks, return_exceptions=True)

    await work.clip("c1")

    assert "c1" in await work.finish()
    assert work.metrics.registry.get_sample_value("ssu_in_work") == 0
    assert work.metrics.registry.get_sample_value("ssu_queue_depth") == 0


async def test_one_clip_that_hangs_does_not_change_when_others_are_told_to_come_again() -> None:
    work = Workplace(queue_limit=0)
    for seconds in (0.5, 0.5, 100.0, 0.5):
        async with work.admission.turn(StageClock()):
            work.time += seconds

    async with work.admission.turn(StageClock()):
        with pytest.raises(Overloaded) as refused:
            work.admission.check("a")

    assert refused.value.retry_after == 1.0


async def test_work_in_the_background_begins_when_nobody_else_waits() -> None:
    async with busy(queue_limit=2) as work:
        order: list[str] = []

        async def part(name: str) -> None:
            async with work.admission.turn(StageClock(), sender="a", background=True):
                order.append(name)
                work.order.append(name)

        work.tasks += [asyncio.create_task(part(name)) for name in ("j1", "j2")]
        await asyncio.sleep(0)
        for name in ("a1", "b1", "c1"):
            await work.clip(name)

        assert await work.finish() == ["a1", "b1", "j1", "j2"]
    assert work.refused == ["c1"]


async def test_what_is_done_in_the_background_does_not_count_against_its_sender() -> None:
    work = Workplace()
    async with work.admission.turn(StageClock(), sender="a", cost=9.0, background=True):
        work.time += 9.0
        for name in ("a1", "b1"):
            await work.clip(name)

    assert await work.finish() == ["a1", "b1"]
