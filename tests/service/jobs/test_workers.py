"""What workers do when something goes wrong beside the clip."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.engines.fake import FakeEngine
from service.jobs.store import JobStore
from ssuformer.errors import EngineError, EngineUnavailable, JobsUnavailable
from ssuformer.regions import Segmentation
from tests.service.jobs.conftest import StopsAt, ended, jobs_of, look, send, until

pytestmark = pytest.mark.anyio


class Failing(FakeEngine):
    """An engine that fails in some of its windows."""

    def __init__(self, *fails: int, error: Exception) -> None:
        super().__init__()
        self.windows = -1000
        """The gateway has it tried before it is set to 0."""
        self._fails = fails
        self._error = error

    async def segment(self, *args: Any, **more: Any) -> Segmentation:  # noqa: ANN401
        self.windows += 1
        if self.windows in self._fails or (self._fails == (0,) and self.windows > 0):
            raise self._error
        return await super().segment(*args, **more)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.workers._WAIT_SECONDS", 0.01)
    monkeypatch.setattr("service.jobs.workers._POLL_SECONDS", 0.05)


@pytest.mark.parametrize("error", [EngineError("it failed"), RuntimeError("a bug")], ids=repr)
async def test_a_job_goes_on_after_a_failure_that_passes(
    tmp_path: Path, long_clip: bytes, error: Exception
) -> None:
    engine = Failing(2, 3, error=error)
    async with jobs_of(tmp_path, engine, circuit_failures=99) as running:
        engine.windows = 0
        done = await ended(running, (await send(running, long_clip))["id"])
        parts = [line["number"] for line in running.lines if line["event"] == "job_part"]

    assert done["state"] == "done"
    assert parts == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("error", "code"), [(EngineError("it failed"), "engine_failed"), (RuntimeError(), "internal")]
)
async def test_a_job_that_never_gets_on_fails_with_the_last_reason(
    tmp_path: Path, clip: bytes, error: Exception, code: str
) -> None:
    engine = Failing(0, error=error)
    async with jobs_of(tmp_path, engine, circuit_failures=99) as running:
        engine.windows = 0
        done = await ended(running, (await send(running, clip))["id"])

    assert (done["state"], done["error"]["code"]) == ("failed", code)
    assert engine.windows == 5


async def test_a_job_waits_as_long_as_an_engine_is_down(tmp_path: Path, clip: bytes) -> None:
    down = EngineUnavailable("away")
    engine = Failing(*range(1, 9), error=down)
    async with jobs_of(tmp_path, engine, circuit_failures=99) as running:
        engine.windows = 0
        done = await ended(running, (await send(running, clip))["id"])

    assert done["state"] == "done"
    assert engine.windows > 8


async def test_a_job_that_kills_its_gateways_is_given_up(tmp_path: Path, clip: bytes) -> None:
    store = JobStore(f"sqlite:///{tmp_path}/jobs.sqlite")
    engine = StopsAt(0)
    async with jobs_of(tmp_path, engine) as running:
        job = await send(running, clip)
        await engine.stops()
        running.gateway.jobs._workers._give_back = forget  # type: ignore
    for _ in range(5):
        await store.start()
        await asyncio.sleep(0.02)
        taken = await take_over(store)
        assert taken.id == job["id"]
    await store.close()

    async with jobs_of(tmp_path, job_lease_seconds=0.2) as running:
        done = await ended(running, job["id"])

    assert (done["state"], done["error"]["code"]) == ("failed", "job_given_up")


async def forget(*_: Any, **__: Any) -> None:  # noqa: ANN401
    """Do what a gateway does that is killed: nothing."""


async def take_over(store: JobStore) -> Any:  # noqa: ANN401
    """Take the only job, once its lease has run out."""
    found: list[Any] = []

    async def taken() -> bool:
        job = await store.take(lease=0.01)
        found.extend([job] if job else [])
        return job is not None

    await until(taken)
    return found[0]


async def test_a_job_begins_again_if_other_weights_came_into_service(
    tmp_path: Path, long_clip: bytes
) -> None:
    engine = StopsAt(2)
    async with jobs_of(tmp_path, engine) as running:
        job = await send(running, long_clip)
        await engine.stops()
    newer = FakeEngine()
    newer.facts = replace(newer.facts, digest="1" * 64)
    async with jobs_of(tmp_path, newer) as running:
        done = await ended(running, job["id"])
        result = (await running.client.get(done["result"])).json()
        at_once = (await running.understand(long_clip)).json()
        again = [line for line in running.lines if line["event"] == "job_begins_again"]

    assert len(again) == 1
    assert result["frames"] == at_once["frames"]
    assert result["model"]["digest"] == "1" * 64


async def test_who_cannot_renew_a_lease_stops_when_it_has_run_out(
    tmp_path: Path, long_clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = StopsAt(1)
    async with jobs_of(tmp_path, engine, job_lease_seconds=0.3) as running:
        job = await send(running, long_clip)
        await engine.stops()

        async def away(*_: Any, **__: Any) -> None:  # noqa: ANN401
            raise JobsUnavailable("away")

        monkeypatch.setattr(JobStore, "renew", away)

        async def lost() -> bool:
            return running.metric("ssu_job_leases_lost_total") == 1

        await until(lost)
        monkeypatch.undo()
        engine.may_go_on.set()
        done = await ended(running, job["id"])

    assert done["state"] == "done"


async def test_requests_are_answered_although_the_store_is_away(
    tmp_path: Path, clip: bytes
) -> None:
    away = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"
    async with jobs_of(tmp_path, None, jobs=away, jobs_folder=tmp_path / "files") as running:
        answered = await running.understand(clip)
        refused = await running.client.post("/jobs", content=clip)

    assert answered.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (503, "jobs_unavailable")
    assert "retry-after" in refused.headers


async def test_a_job_that_waits_tells_nothing_of_its_clip(tmp_path: Path, clip: bytes) -> None:
    engine = StopsAt(0)
    async with jobs_of(tmp_path, engine) as running:
        await send(running, clip)
        waiting = await look(running, (await send(running, clip))["id"])
        engine.may_go_on.set()
        await ended(running, waiting["id"])

    assert (waiting["state"], waiting["progress"]["seconds_in_all"]) == ("waiting", None)
