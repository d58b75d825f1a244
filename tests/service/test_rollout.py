"""Weights change while requests are answered: who answers, and when the change is taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from service import gateway
from service.engines.fake import FakeEngine
from service.metrics import Metrics
from service.settings import Settings
from ssuformer.errors import EngineError, EngineMismatch, EngineUnavailable, SsuError
from ssuformer.manifest import Manifest
from ssuformer.regions import Float, Segmentation
from tests.service.conftest import Running, run, small_settings

pytestmark = pytest.mark.anyio
WAIT = 20.0


class NumberedEngine(FakeEngine):
    """Answers as the version it is of, unless it was told to fail."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.failure: SsuError | None = None
        self.spoiled = False
        self.closed = False
        self.window_frames = 10
        self.free = asyncio.Event()
        self.free.set()
        self.waiting = asyncio.Event()

    @property
    def repository_version(self) -> int:
        return self.number

    @property
    def manifest(self) -> Manifest:
        changes = {"version": str(self.number), "window_frames": self.window_frames}
        return super().manifest.model_copy(update=changes)

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        self.waiting.set()
        await self.free.wait()
        if self.failure is not None:
            raise self.failure
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

    def add(self, number: int) -> NumberedEngine:
        self.engines[number] = engine = NumberedEngine(number)
        return engine

    def newest(self, _: Settings) -> int:
        return max(self.engines)

    def load(
        self, _: Settings, __: Metrics | None = None, version: int | None = None
    ) -> NumberedEngine:
        number = max(self.engines) if version is None else version
        self.loaded.append(number)
        return self.engines[number]


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> Versions:
    made = Versions()
    monkeypatch.setattr(gateway, "newest", made.newest)
    monkeypatch.setattr(gateway, "load_engine", made.load)
    return made


@asynccontextmanager
async def serving(**settings: object) -> AsyncIterator[Running]:
    values = {"engine": "onnx", "rollout_seconds": 0.05, "canary_seconds": 0.1, **settings}
    async with run(small_settings(**values)) as running:
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
    async with serving() as running:
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


async def test_a_request_ends_on_the_version_it_began_on(versions: Versions, clip: bytes) -> None:
    first = versions.engines[1]
    async with serving(canary_seconds=0.05) as running:
        first.free.clear()
        first.waiting.clear()
        request = asyncio.create_task(running.understand(clip, deadline=WAIT))
        await first.waiting.wait()
        versions.add(2)
        await until(lambda: rollouts(running, "switched") == 1)
        await asyncio.sleep(1.5)

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
        (lambda e: setattr(e, "window_frames", 12), "engine_mismatch"),
    ],
    ids=["fails", "other tensors", "not finite", "other windows"],
)
async def test_a_version_that_the_canary_refuses_never_answers(
    versions: Versions, clip: bytes, spoil: Callable[[NumberedEngine], None], code: str
) -> None:
    async with serving() as running:
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
    async with serving() as running:
        bad = versions.add(2)
        bad.failure = EngineError("no answer")
        await until(lambda: versions.loaded.count(2) >= 3)
        assert rollouts(running, "refused") == 1

        bad.failure = None

        await until(lambda: rollouts(running, "switched") == 1)


async def test_a_version_that_the_server_has_not_loaded_yet_is_no_fault(
    versions: Versions,
) -> None:
    async with serving() as running:
        late = versions.add(2)
        late.failure = EngineUnavailable("not loaded there")
        await until(lambda: versions.loaded.count(2) >= 3)
        assert rollouts(running, "refused") == 0

        late.failure = None

        await until(lambda: rollouts(running, "switched") == 1)


async def test_a_version_that_stops_answering_is_taken_back_and_not_tried_again(
    versions: Versions, clip: bytes
) -> None:
    async with serving(canary_seconds=1, circuit_failures=1) as running:
        bad = versions.add(2)
        await until(lambda: rollouts(running, "switched") == 1)

        bad.failure = EngineUnavailable("its process crashed")
        await running.understand(clip)
        await until(lambda: rollouts(running, "rolled_back") == 1)
        answer = await running.understand(clip)
        await asyncio.sleep(0.3)

        assert answer.json()["model"]["version"] == "1"
        assert versions.loaded.count(2) == 1
        assert bad.closed

        versions.add(3)
        await until(lambda: rollouts(running, "switched") == 2)
        assert running.gateway.current.version == "3"


async def test_a_repository_that_cannot_be_read_for_a_while_changes_nothing(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = asyncio.Event()
    away.set()

    def newest(settings: Settings) -> int:
        if away.is_set():
            raise PermissionError("the volume is away")
        return versions.newest(settings)

    monkeypatch.setattr(gateway, "newest", newest)
    async with serving() as running:
        await until(lambda: any(line["event"] == "rollout_crash" for line in running.lines))
        assert (await running.client.get("/readyz")).status_code == 200

        away.clear()
        versions.add(2)

        await until(lambda: rollouts(running, "switched") == 1)


async def test_if_both_versions_are_down_it_is_not_the_weights(versions: Versions) -> None:
    async with serving(canary_seconds=1) as running:
        bad = versions.add(2)
        await until(lambda: rollouts(running, "switched") == 1)

        for engine in versions.engines.values():
            engine.failure = EngineUnavailable("the server is away")
        await until(lambda: bool(running.gateway.current.canary.reasons))
        await asyncio.sleep(1.2)

        assert running.gateway.current.engine is bad
        assert rollouts(running, "rolled_back") == 0
