"""The store of jobs, in SQLite and in a real PostgreSQL: leases, tokens, calls that are due."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.jobs.records import Delivery, Job, StoredPart
from service.jobs.store import JobStore, LeaseLost
from ssuformer.errors import ConfigError, JobNotFound, JobsUnavailable
from tests.service.jobs.conftest import postgresql

pytestmark = pytest.mark.anyio

LONG, SHORT = 60.0, 0.2


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[JobStore]:
    made = JobStore(store_url)
    await made.start()
    yield made
    await made.close()


def job_of(name: str, owner: str = "a", key: str | None = None) -> Job:
    return Job(
        id=name, owner=owner, idempotency_key=key, request_digest="d", options="{}", url=None,
        webhook=None, state="waiting", created=0.0,
    )  # fmt: skip


def part(number: int, *, ended: bool = False) -> StoredPart:
    return StoredPart(number=number, name=f"p{number}", frames=8, ended=ended, facts="{}")


async def taken(store: JobStore, lease: float = LONG) -> Job:
    found = await store.take(lease=lease)
    assert found is not None
    return found


async def test_a_job_is_taken_once_and_the_oldest_first(store: JobStore) -> None:
    for name in ("1", "2"):
        await store.add(job_of(name))

    found = [await store.take(lease=LONG) for _ in range(3)]

    assert [one and one.id for one in found] == ["1", "2", None]


async def test_an_owner_with_less_in_work_comes_first(store: JobStore) -> None:
    for name, owner in (("1", "a"), ("2", "a"), ("3", "b")):
        await store.add(job_of(name, owner))

    assert [(await taken(store)).id for _ in range(3)] == ["1", "3", "2"]


async def test_a_job_that_waited_for_the_store_did_not_start_before_it_was_taken(
    tmp_path: Path,
) -> None:
    file = tmp_path / "jobs.sqlite"
    store = JobStore(f"sqlite:///{file}")
    await store.start()
    await store.add(job_of("1"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    waiting = asyncio.create_task(taken(store))
    await asyncio.sleep(0.05)
    released = time.time()
    other.execute("COMMIT")
    job = await waiting

    assert job.started is not None
    assert job.started >= released
    other.close()
    await store.close()


async def test_many_gateways_at_once_never_take_the_same_job(
    store: JobStore, store_url: str
) -> None:
    others = [JobStore(store_url) for _ in range(3)]
    for number in range(24):
        await store.add(job_of(f"{number:02}"))

    async def take_all(one: JobStore) -> list[str]:
        found = []
        while job := await one.take(lease=LONG):
            found.append(job.id)
        return found

    taken_by_each = await asyncio.gather(*map(take_all, [store, *others]))
    for one in others:
        await one.close()

    assert sorted(name for found in taken_by_each for name in found) == [
        f"{number:02}" for number in range(24)
    ]


async def test_a_lease_that_is_renewed_is_kept_and_one_that_is_not_is_lost(
    store: JobStore,
) -> None:
    await store.add(job_of("1"))
    job = await taken(store, SHORT)
    await store.renew(job, lease=LONG)
    await asyncio.sleep(2 * SHORT)

    assert await store.take(lease=LONG) is None

    await store.renew(job, lease=SHORT)
    await asyncio.sleep(2 * SHORT)
    other = await taken(store)

    assert (other.id, other.token) == ("1", job.token + 1)


async def test_who_has_lost_the_lease_can_change_nothing(store: JobStore) -> None:
    await store.add(job_of("1"))
    late = await taken(store, SHORT)
    await asyncio.sleep(2 * SHORT)
    now = await taken(store)

    for act in (
        store.renew(late, lease=LONG),
        store.release(late, wait=0.0, counted=True),
        store.add_part(late, part(0), size=1, done=8.0, in_all=8.0),
        store.begin_again(late),
        store.grow(late, 1),
        store.end(late, "done", keep=LONG, delivery=None, answer="late"),
        store.end(late, "failed", keep=LONG, delivery=None, error="{}"),
    ):
        with pytest.raises(LeaseLost):
            await act
    await store.end(now, "done", keep=LONG, delivery=None, answer="now")

    found = await store.find("1", "a")
    assert (found.state, found.answer, found.parts, found.bytes) == ("done", "now", 0, 0)
    with pytest.raises(LeaseLost):
        await store.end(now, "failed", keep=LONG, delivery=None, error="{}")


async def test_parts_add_up_and_are_kept_for_who_takes_over(store: JobStore) -> None:
    await store.add(job_of("1"))
    first = await taken(store, SHORT)
    await store.add_part(first, part(0), size=100, done=8.0, in_all=20.0)
    await asyncio.sleep(2 * SHORT)
    second = await taken(store)
    await store.add_part(second, part(1, ended=True), size=50, done=16.0, in_all=20.0)

    parts = await store.parts("1")
    found = await store.find("1", "a")

    assert (second.parts, second.fruitless) == (1, 1)
    assert [(one.number, one.ended) for one in parts] == [(0, False), (1, True)]
    assert (found.parts, found.frames, found.bytes, found.seconds_done) == (2, 16, 150, 16.0)


async def test_tries_that_got_nowhere_are_counted(store: JobStore) -> None:
    await store.add(job_of("1"))
    counts = []
    for counted in (True, True, False, True):
        job = await taken(store)
        counts.append(job.fruitless)
        await store.release(job, wait=0.0, counted=counted)

    assert counts == [1, 2, 3, 3]


async def test_a_job_that_was_given_back_waits(store: JobStore) -> None:
    await store.add(job_of("1"))
    await store.release(await taken(store), wait=0.3, counted=True)

    assert await store.take(lease=LONG) is None
    await asyncio.sleep(0.4)
    assert await store.take(lease=LONG) is not None


async def test_of_two_requests_with_one_key_at_the_same_time_one_is_stored(
    store: JobStore, store_url: str
) -> None:
    other = JobStore(store_url)

    known = await asyncio.gather(
        *(one.add(job_of(str(i), key="k")) for i, one in enumerate([store, other] * 4))
    )
    await other.close()

    stored = [str(i) for i, found in enumerate(known) if found is None]
    assert len(stored) == 1
    assert {found.id for found in known if found is not None} == set(stored)


async def test_deleting_a_job_takes_the_lease_away_and_frees_its_key(store: JobStore) -> None:
    await store.add(job_of("1", key="k"))
    job = await taken(store)
    await store.add_part(job, part(0), size=1, done=8.0, in_all=8.0)

    with pytest.raises(JobNotFound):
        await store.delete("1", "b")
    await store.delete("1", "a")

    with pytest.raises(LeaseLost):
        await store.renew(job, lease=LONG)
    assert await store.parts("1") == []
    assert await store.add(replace(job_of("2"), idempotency_key="k")) is None


async def test_a_call_is_stored_with_the_end_and_is_due_until_it_is_delivered(
    store: JobStore,
) -> None:
    await store.add(job_of("1"))
    call = Delivery("m", "1", "job.done", "https://a.example/", "{}")
    await store.end(await taken(store), "done", keep=LONG, delivery=call, answer="x")

    first = await store.take_delivery(lease=SHORT)
    meanwhile = await store.take_delivery(lease=SHORT)
    await asyncio.sleep(2 * SHORT)  # the gateway that had taken it was killed
    second = await store.take_delivery(lease=LONG)
    assert first is not None
    assert second is not None
    await store.note_attempt(second, seconds=0.1, status=500, error="the answer", again=0.0)
    third = await store.take_delivery(lease=LONG)
    assert third is not None
    await store.note_attempt(third, seconds=0.1, status=204, error=None, again=None)

    ((noted, attempts),) = await store.deliveries("1")
    assert meanwhile is None
    assert {one.id for one in (first, second, third)} == {"m"}
    assert [(one.number, one.status) for one in attempts] == [(1, None), (2, 500), (3, 204)]
    assert noted.delivered is not None
    assert noted.next_at is None
    assert await store.take_delivery(lease=LONG) is None


async def test_several_gateways_may_make_the_tables_at_once(store_url: str) -> None:
    stores = [JobStore(store_url) for _ in range(4)]

    await asyncio.gather(*(one.start() for one in stores))

    assert (await stores[0].counts())[2] == 0
    for one in stores:
        await one.close()


async def test_a_new_file_that_another_gateway_is_writing_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store = JobStore(f"sqlite:///{path}")

    starting = asyncio.create_task(store.start())
    await asyncio.sleep(0.2)
    assert not starting.done()
    other.execute("ROLLBACK")
    await starting

    assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()
    await store.close()


async def test_a_database_that_was_away_is_connected_to_again(postgres_folder: Path) -> None:
    folder = postgres_folder / "restarted"
    folder.mkdir()
    with postgresql(folder) as url:
        store = JobStore(url)
        await store.start()
        await store.add(job_of("1"))

    with pytest.raises(JobsUnavailable):
        await store.find("1", "a")

    with postgresql(folder):
        assert (await store.find("1", "a")).id == "1"
        assert await store.take(lease=LONG) is not None
        await store.close()


async def test_a_transaction_of_a_gateway_that_has_stopped_ends(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.database._LOCK_SECONDS", 1)
    stopped, other = JobStore(database), JobStore(database)
    await stopped.start()
    await stopped.add(job_of("1"))

    with stopped._database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT * FROM ssu_jobs FOR UPDATE")
        assert await other.take(lease=LONG) is None
        await asyncio.sleep(1.5)
        assert await other.take(lease=LONG) is not None
        connection.invalidate()
    for one in (stopped, other):
        await one.close()


async def test_a_store_that_does_not_answer_is_told_so() -> None:
    store = JobStore("postgresql://nobody@127.0.0.1:1/none?connect_timeout=1")

    with pytest.raises(JobsUnavailable):
        await store.start()
    await store.close()


def test_a_store_without_a_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no file"):
        JobStore("sqlite://")
