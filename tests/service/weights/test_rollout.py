"""Weights change while requests are answered: who answers, and when the change is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engines.fake import FakeEngine
from service.weights.source import Clock
from ssuformer.contract import SEGMENTATION
from ssuformer.errors import EngineError, EngineMismatch, EngineUnavailable, SsuError
from ssuformer.regions import Float, Segmentation
from tests.service.conftest import Running, run, small_settings

pytestmark = pytest.mark.anyio
WAIT = 20.0
PERIOD = 1 / 16


class NumberedEngine(FakeEngine):
    """Answers as the version it is of, unless it was told to fail."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.change(repository_version=number)
        self.relabel(version=str(number))
        self.failure: SsuError | None = None
        self.spoiled = False
        self.closed = False
        self.longest_window = 10
        self.free = asyncio.Event()
        self.free.set()
        self.waiting = asyncio.Event()

    def change(self, **facts: Any) -> None:  # noqa: ANN401
        self.facts = replace(self.facts, **facts)

    def relabel(self, **changes: object) -> None:
        self.change(manifest=self.facts.manifest.model_copy(update=changes))

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        self.waiting.set()
        await self.free.wait()
        if self.failure is not None:
            raise self.failure
        if len(frames) > self.longest_window:
            raise EngineError("out of memory")
        found = await super().segment(frames, waveform, timeout=timeout)
        if self.spoiled:
            found.mask_probability[0, 0, 0, 0] = np.nan
        return found

    async def close(self) -> None:
        self.closed = True


class Versions:
    """A model repository that holds numbered engines."""

    def __init__(self) -> None:
        self.engines = {1: NumberedEngine(1)}
        self.loaded: list[int] = []
        self.unloadable: dict[int, SsuError] = {}
        self.away = False

    def add(self, number: int) -> NumberedEngine:
        self.engines[number] = engine = NumberedEngine(number)
        return engine

    def versions(self) -> list[int]:
        if self.away:
            raise PermissionError("the volume is away")
        return sorted(self.engines, reverse=True)

    def load(self, version: int) -> NumberedEngine:
        self.loaded.append(version)
        if error := self.unloadable.get(version):
            raise error
        return self.engines[version]


class SetClock(Clock):
    """Stands still until a test lets time pass; then the rollout has one look."""

    def __init__(self) -> None:
        self._now = 0.0
        self._asleep, self._woken = asyncio.Event(), asyncio.Event()

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002
        self._woken.clear()
        self._asleep.set()
        await self._woken.wait()

    async def passes(self, seconds: float = PERIOD, *, times: int = 1) -> None:
        async with asyncio.timeout(WAIT):
            for _ in range(times):
                await self._asleep.wait()
                self._now += seconds
                self._asleep.clear()
                self._woken.set()
                await self._asleep.wait()


@pytest.fixture
def versions() -> Versions:
    return Versions()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@asynccontextmanager
async def serving(
    versions: Versions, clock: Clock | None = None, **settings: object
) -> AsyncIterator[Running]:
    values = {"engine": "onnx", "rollout_seconds": PERIOD, "probe_seconds": 0.1, **settings}
    async with run(small_settings(**values), source=versions, clock=clock) as running:
        yield running


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not holds():
            await asyncio.sleep(0.01)


def rollouts(running: Running, result: str) -> float:
    return running.metric("ssu_model_rollouts_total", result=result)


async def test_a_newer_version_goes_into_service_once_it_has_answered(
    versions: Versions, clip: bytes
) -> None:
    async with serving(versions) as running:
        before = await running.understand(clip)
        versions.add(2)
        await until(lambda: rollouts(running, "switched") == 1)
        after = await running.understand(clip)

        assert [a.json()["model"]["version"] for a in (before, after)] == ["1", "2"]
        info = {"name": "fake", "digest": "0" * 64}
        assert running.metric("ssu_model_info", version="2", repository_version="2", **info) == 1
        assert running.metric("ssu_model_info", version="1", repository_version="1", **info) == 0
        labels = {"route": "/understand", "code": "200", "outcome": "answered"}
        assert running.metric("ssu_requests_total", version="1", **labels) == 1
        assert running.metric("ssu_requests_total", version="2", **labels) == 1


async def test_a_request_ends_on_the_version_it_began_on(
    versions: Versions, clock: SetClock, clip: bytes
) -> None:
    first = versions.engines[1]
    async with serving(versions, clock) as running:
        first.free.clear()
        first.waiting.clear()
        request = asyncio.create_task(running.understand(clip, deadline=WAIT))
        await first.waiting.wait()
        versions.add(2)
        await clock.passes()
        assert rollouts(running, "switched") == 1
        await clock.passes(1.5)

        assert not first.closed
        first.free.set()
        answer = await request

        assert (answer.status_code, answer.json()["model"]["version"]) == (200, "1")
        await until(lambda: first.closed)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda e: setattr(e, "failure", EngineError("no answer")), "engine_failed"),
        (lambda e: setattr(e, "failure", EngineMismatch("other tensors")), "engine_mismatch"),
        (lambda e: setattr(e, "spoiled", True), "engine_mismatch"),
        (lambda e: e.relabel(window_frames=12), "engine_mismatch"),
        (lambda e: setattr(e, "longest_window", 9), "engine_failed"),
    ],
    ids=["fails", "other tensors", "not finite", "other windows", "fails on a whole window"],
)
async def test_a_version_that_the_probe_refuses_never_answers(
    versions: Versions, clip: bytes, spoil: Callable[[NumberedEngine], None], code: str
) -> None:
    async with serving(versions) as running:
        spoil(bad := versions.add(2))
        await until(lambda: rollouts(running, "refused") == 1)

        answer = await running.understand(clip)

        assert answer.json()["model"]["version"] == "1"
        assert bad.closed
        assert [line["code"] for line in running.lines if line["event"] == "model_refused"] == [
            code
        ]
        assert (await running.client.get("/readyz")).status_code == 200


async def test_a_refused_version_is_looked_at_again_and_counted_once(versions: Versions) -> None:
    async with serving(versions) as running:
        bad = versions.add(2)
        bad.failure = EngineError("no answer")
        await until(lambda: versions.loaded.count(2) >= 3)
        assert rollouts(running, "refused") == 1

        bad.failure = None

        await until(lambda: rollouts(running, "switched") == 1)


async def test_a_version_that_the_server_has_not_loaded_yet_is_no_fault(
    versions: Versions,
) -> None:
    async with serving(versions, engine="triton") as running:
        late = versions.add(2)
        late.failure = EngineUnavailable("not loaded there")
        await until(lambda: versions.loaded.count(2) >= 3)
        assert rollouts(running, "refused") == 0

        late.failure = None

        await until(lambda: rollouts(running, "switched") == 1)


async def test_a_version_that_the_server_never_loads_is_refused_in_the_end(
    versions: Versions, clock: SetClock
) -> None:
    async with serving(versions, clock, engine="triton") as running:
        versions.add(2).failure = EngineUnavailable("not loaded there")

        await clock.passes(times=2)
        await clock.passes(1799)
        assert (versions.loaded.count(2), rollouts(running, "refused")) == (3, 0)

        await clock.passes(1)
        assert (versions.loaded.count(2), rollouts(running, "refused")) == (4, 1)


async def test_a_version_that_cannot_be_loaded_into_this_process_is_refused_at_once(
    versions: Versions,
) -> None:
    async with serving(versions) as running:
        versions.unloadable[2] = EngineUnavailable("onnxruntime cannot load it")
        versions.add(2)

        await until(lambda: rollouts(running, "refused") == 1)

        assert (await running.client.get("/readyz")).status_code == 200


async def test_servers_elsewhere_have_to_answer_several_times(versions: Versions) -> None:
    async with serving(versions, engine="triton") as running:
        far = versions.add(2)
        far.change(remote=True)

        await until(lambda: rollouts(running, "switched") == 1)

        assert versions.loaded.count(2) == 3


async def test_a_version_that_answers_only_now_and_then_stays_out(versions: Versions) -> None:
    class Lagging(NumberedEngine):
        """Like four servers of which one has not loaded the version yet."""

        looked = 0

        async def check(self, model: str) -> None:
            Lagging.looked += model == SEGMENTATION
            if Lagging.looked % 3 == 0:
                raise EngineUnavailable("not loaded there")

    async with serving(versions, engine="triton") as running:
        versions.engines[2] = lagging = Lagging(2)
        lagging.change(remote=True)

        await until(lambda: versions.loaded.count(2) >= 8)

        assert rollouts(running, "switched") == 0


@pytest.mark.parametrize("how", ["cannot be loaded", "does not answer"])
async def test_a_gateway_that_starts_goes_past_a_newest_version_that_is_bad(
    versions: Versions, clip: bytes, how: str
) -> None:
    bad, error = versions.add(2), EngineMismatch("a digest is wrong")
    if how == "cannot be loaded":
        versions.unloadable[2] = error
    else:
        bad.failure = error

    async with serving(versions) as running:
        answer = await running.understand(clip)

        assert answer.json()["model"]["version"] == "1"
        assert rollouts(running, "refused") == 1

        versions.unloadable.clear()
        bad.failure = None
        await until(lambda: rollouts(running, "switched") == 1)


async def test_without_any_version_that_answers_there_is_no_start(versions: Versions) -> None:
    for number in (1, 2):
        versions.add(number).failure = EngineMismatch(f"version {number} is bad")

    with pytest.raises(EngineMismatch, match="version 2 is bad"):
        async with serving(versions):
            pass


async def test_a_server_that_has_only_an_older_version_is_used_as_it_is(
    versions: Versions, clip: bytes
) -> None:
    late = versions.add(2)
    for engine in versions.engines.values():
        engine.change(remote=True)
    late.failure = EngineUnavailable("not loaded there")

    async with serving(versions, engine="triton") as running:
        await until(lambda: rollouts(running, "switched") == 1)
        answer = await running.understand(clip)
        assert answer.json()["model"]["version"] == "1"
        assert rollouts(running, "refused") == 0

        late.failure = None
        await until(lambda: rollouts(running, "switched") == 2)
        assert running.gateway.current.version == "2"


async def test_taking_the_newest_folder_away_changes_nothing(
    versions: Versions, clock: SetClock
) -> None:
    versions.add(2)
    async with serving(versions, clock) as running:
        del versions.engines[2]
        await clock.passes(times=6)

        assert running.gateway.current.version == "2"


async def test_a_version_that_stops_answering_is_taken_back_and_not_tried_again(
    versions: Versions, clock: SetClock, clip: bytes
) -> None:
    async with serving(versions, clock, probe_seconds=1, circuit_failures=1) as running:
        bad = versions.add(2)
        await clock.passes()
        assert rollouts(running, "switched") == 1

        bad.failure = EngineUnavailable("its process crashed")
        await running.understand(clip)
        await clock.passes()
        assert rollouts(running, "rolled_back") == 1
        answer = await running.understand(clip)
        await clock.passes(times=6)

        assert answer.json()["model"]["version"] == "1"
        assert versions.loaded.count(2) == 1
        assert bad.closed

        versions.add(3)
        await clock.passes()
        assert rollouts(running, "switched") == 2
        assert running.gateway.current.version == "3"


async def test_a_repository_that_cannot_be_read_for_a_while_changes_nothing(
    versions: Versions,
) -> None:
    async with serving(versions) as running:
        versions.away = True
        await until(lambda: any(line["event"] == "rollout_crash" for line in running.lines))
        assert (await running.client.get("/readyz")).status_code == 200

        versions.away = False
        versions.add(2)

        await until(lambda: rollouts(running, "switched") == 1)


async def test_if_both_versions_are_down_it_is_not_the_weights(
    versions: Versions, clock: SetClock
) -> None:
    async with serving(versions, clock) as running:
        bad = versions.add(2)
        await clock.passes()
        assert rollouts(running, "switched") == 1

        for engine in versions.engines.values():
            engine.failure = EngineUnavailable("the server is away")
        await until(lambda: bool(running.gateway.current.probe.reasons))
        await clock.passes(times=6)

        assert running.gateway.current.engine is bad
        assert rollouts(running, "rolled_back") == 0

        for engine in versions.engines.values():
            engine.failure = None
        await clock.passes(times=3)

        assert not running.gateway.current.probe.reasons
        assert running.gateway.current.engine is bad
        assert rollouts(running, "rolled_back") == 0
