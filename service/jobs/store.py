"""The store of jobs in a database: SQLite for one gateway, PostgreSQL for several.

Whoever works on a job holds a lease with a token. Every change by a worker names the token and
fails with LeaseLost once another worker has taken the job, or its owner has deleted it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    and_,
    delete,
    exc,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
    update,
)

from service.jobs.database import engine_of
from service.jobs.records import Attempt, Delivery, Job, State, StoredPart
from service.jobs.tables import ATTEMPTS, DELIVERIES, JOBS, METADATA, PARTS
from ssuformer.errors import JobNotFound, JobsUnavailable

T = TypeVar("T")

_THREADS = 4
_LOCK = 0x5355_4A53
"""Number of the advisory lock under which tables are made."""


class LeaseLost(Exception):
    """The job has been taken over or deleted: whoever worked on it has to stop."""


class JobStore:
    """All jobs; every method is one transaction in a thread."""

    def __init__(self, url: str) -> None:
        """Connect later; raise ConfigError if the URL or its driver is unknown."""
        self._engine = engine_of(url, connections=_THREADS)
        self._started = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jobs")

    async def start(self) -> None:
        """Make the tables that are missing, once."""
        if not self._started:
            await self._run(self._make_tables)
            self._started = True

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()

    async def add(self, job: Job) -> Job | None:
        """Store a new job; if its owner has used its key before, return the job of then."""

        def act(connection: Connection) -> Job | None:
            if known := self._of_key(connection, job):
                return known
            row = {**asdict(job), "created": self._now()}
            connection.execute(insert(JOBS).values(**row))
            return None

        try:
            return await self._run(act)
        except exc.IntegrityError:  # another request with the same key was faster
            return await self._run(lambda connection: self._of_key(connection, job))

    async def with_key(self, owner: str, key: str) -> Job | None:
        """Return the owner's job that was sent with this key."""
        wanted = and_(JOBS.c.owner == owner, JOBS.c.idempotency_key == key)
        found = await self._run(lambda one: one.execute(select(JOBS).where(wanted)).first())
        return _job(found)

    async def find(self, job: str, owner: str) -> Job:
        """Return an owner's job; raise JobNotFound if there is none."""
        wanted = and_(JOBS.c.id == job, JOBS.c.owner == owner)
        found = await self._run(lambda one: one.execute(select(JOBS).where(wanted)).first())
        if found is None:
            raise JobNotFound("there is no such job, or it has expired")
        return Job(**found._mapping)

    async def of_owner(self, owner: str, *, most: int, before: float | None = None) -> list[Job]:
        """Return an owner's jobs, the newest first; with a time, those created before it."""
        query = select(JOBS).where(JOBS.c.owner == owner)
        if before is not None:
            query = query.where(JOBS.c.created < before)
        query = query.order_by(JOBS.c.created.desc(), JOBS.c.id).limit(most)
        return [Job(**row._mapping) for row in await self._run(_all(query))]

    async def unfinished(self, owner: str) -> int:
        """Return how many jobs of an owner are not done yet."""
        query = select(func.count()).where(
            JOBS.c.owner == owner, JOBS.c.state.in_(("waiting", "working"))
        )
        return await self._run(lambda one: int(one.execute(query).scalar_one()))

    async def delete(self, job: str, owner: str) -> None:
        """Forget a job and all that belongs to it; raise JobNotFound if there is none."""
        query = delete(JOBS).where(JOBS.c.id == job, JOBS.c.owner == owner)
        if not await self._run(lambda one: one.execute(query).rowcount):
            raise JobNotFound("there is no such job, or it has expired")

    async def waiting_with(self, option: str) -> list[Job]:
        """Return the jobs that wait and have an option that is not its default."""
        query = select(JOBS).where(
            JOBS.c.state == "waiting", JOBS.c.options.contains(f'"{option}":', autoescape=True)
        )
        return [Job(**row._mapping) for row in await self._run(_all(query))]

    async def take(self, *, lease: float, only: str | None = None) -> Job | None:
        """Return the next job, with a lease of so many seconds; None if there is nothing to do.

        One whose lease has run out is taken over. Of all that wait, those of owners with the least
        in work come first, then the oldest; `only` names the one that will do.
        """
        now, others = self._now(), JOBS.alias()
        lost = and_(JOBS.c.state == "working", JOBS.c.leased_until < now)
        due = and_(JOBS.c.state == "waiting", JOBS.c.not_before <= now)
        busy = (
            select(func.count())
            .where(others.c.owner == JOBS.c.owner, others.c.state == "working")
            .scalar_subquery()
        )
        pick = (
            select(JOBS.c.id)
            .where(or_(lost, due), JOBS.c.id == only if only else true())
            .order_by(busy, JOBS.c.created)
            .limit(1)
            .with_for_update(skip_locked=True, of=JOBS)
        )

        def act(connection: Connection) -> Row[Any] | None:
            found = connection.execute(pick).scalar_one_or_none()
            if found is None:
                return None
            taken = update(JOBS).where(JOBS.c.id == found).returning(*JOBS.c)
            return connection.execute(
                taken.values(
                    state="working",
                    token=JOBS.c.token + 1,
                    fruitless=JOBS.c.fruitless + 1,
                    leased_until=now + lease,
                    started=func.coalesce(JOBS.c.started, now),
                )
            ).first()

        return _job(await self._run(act))

    async def renew(self, job: Job, *, lease: float) -> None:
        """Hold a job for so many seconds from now; raise LeaseLost if it is another's."""
        await self._change(job, leased_until=self._now() + lease)

    async def release(self, job: Job, *, wait: float, counted: bool) -> None:
        """Give a job back, to be taken again after so many seconds; a try need not be counted."""
        await self._change(
            job,
            state="waiting",
            leased_until=0.0,
            not_before=self._now() + wait,
            fruitless=JOBS.c.fruitless - (0 if counted else 1),
        )

    async def grow(self, job: Job, size: int) -> None:
        """Count bytes that a job takes on disk."""
        await self._change(job, bytes=JOBS.c.bytes + size)

    async def add_part(
        self, job: Job, part: StoredPart, *, size: int, done: float, in_all: float
    ) -> None:
        """Store a part that is done, and how far the job is."""

        def act(connection: Connection) -> None:
            self._held(
                connection,
                job,
                parts=part.number + 1,
                frames=JOBS.c.frames + part.frames,
                bytes=JOBS.c.bytes + size,
                seconds_done=done,
                seconds_in_all=in_all,
                fruitless=0,
            )
            connection.execute(insert(PARTS).values(job=job.id, **asdict(part)))

        await self._run(act)

    async def begin_again(self, job: Job) -> None:
        """Forget all parts of a job."""

        def act(connection: Connection) -> None:
            self._held(connection, job, parts=0, frames=0, seconds_done=0.0)
            connection.execute(delete(PARTS).where(PARTS.c.job == job.id))

        await self._run(act)

    async def parts(self, job: str) -> list[StoredPart]:
        """Return the parts of a job that are done, in order."""
        columns = [column for column in PARTS.c if column is not PARTS.c.job]
        query = select(*columns).where(PARTS.c.job == job).order_by(PARTS.c.number)
        return [StoredPart(**row._mapping) for row in await self._run(_all(query))]

    async def end(
        self,
        job: Job,
        state: State,
        *,
        keep: float,
        delivery: Delivery | None,
        answer: str | None = None,
        error: str | None = None,
    ) -> None:
        """End a job, keep it for so many seconds, and store the call that will tell of it."""
        now = self._now()

        def act(connection: Connection) -> None:
            self._held(
                connection,
                job,
                state=state,
                finished=now,
                expires=now + keep,
                leased_until=0.0,
                answer=answer,
                error=error,
            )
            if delivery is not None:
                row = {**asdict(delivery), "next_at": now}
                connection.execute(insert(DELIVERIES).values(**row))

        await self._run(act)

    async def take_delivery(self, *, lease: float) -> Delivery | None:
        """Return a call that is due, and note the attempt; None if there is none.

        Unless told how it went, it will be due again after the lease.
        """
        now = self._now()
        pick = (
            select(DELIVERIES.c.id)
            .where(DELIVERIES.c.next_at <= now)
            .order_by(DELIVERIES.c.next_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )

        def act(connection: Connection) -> Row[Any] | None:
            found = connection.execute(pick).scalar_one_or_none()
            if found is None:
                return None
            taken = update(DELIVERIES).where(DELIVERIES.c.id == found).returning(*DELIVERIES.c)
            row = connection.execute(
                taken.values(next_at=now + lease, tries=DELIVERIES.c.tries + 1)
            ).one()
            connection.execute(insert(ATTEMPTS).values(delivery=row.id, number=row.tries, at=now))
            return row

        found = await self._run(act)
        return None if found is None else Delivery(**found._mapping)

    async def note_attempt(
        self,
        delivery: Delivery,
        *,
        seconds: float,
        status: int | None,
        error: str | None,
        again: float | None,
    ) -> None:
        """Store how an attempt went, and in how many seconds to try again, if at all."""
        now = self._now()
        one = and_(ATTEMPTS.c.delivery == delivery.id, ATTEMPTS.c.number == delivery.tries)
        noted = update(ATTEMPTS).where(one).values(seconds=seconds, status=status, error=error)
        latest = and_(DELIVERIES.c.id == delivery.id, DELIVERIES.c.tries == delivery.tries)
        if error is None:
            change = update(DELIVERIES).where(DELIVERIES.c.id == delivery.id)
            change = change.values(next_at=None, delivered=now)
        else:
            change = update(DELIVERIES).where(latest, DELIVERIES.c.delivered.is_(None))
            change = change.values(next_at=None if again is None else now + again)

        def act(connection: Connection) -> None:
            connection.execute(noted)
            connection.execute(change)

        await self._run(act)

    async def deliveries(self, job: str) -> list[tuple[Delivery, list[Attempt]]]:
        """Return the calls that tell of a job, each with its attempts."""
        calls = select(DELIVERIES).where(DELIVERIES.c.job == job)
        tried = (
            select(ATTEMPTS)
            .join(DELIVERIES, DELIVERIES.c.id == ATTEMPTS.c.delivery)
            .where(DELIVERIES.c.job == job)
            .order_by(ATTEMPTS.c.number)
        )

        def act(connection: Connection) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]]]:
            return connection.execute(calls).all(), connection.execute(tried).all()

        rows, attempts = await self._run(act)
        by_call: dict[str, list[Attempt]] = {row.id: [] for row in rows}
        for row in attempts:
            facts = {**row._mapping}
            by_call[facts.pop("delivery")].append(Attempt(**facts))
        return [(Delivery(**row._mapping), by_call[row.id]) for row in rows]

    async def remove_expired(self) -> list[str]:
        """Forget the jobs whose time is over, and return their numbers."""
        query = delete(JOBS).where(JOBS.c.expires < self._now()).returning(JOBS.c.id)
        return [row.id for row in await self._run(_all(query))]

    async def known(self, jobs: Sequence[str]) -> set[str]:
        """Return those of some numbers that are of jobs."""
        query = select(JOBS.c.id).where(JOBS.c.id.in_(jobs))
        return {row.id for row in await self._run(_all(query))}

    async def counts(self) -> tuple[dict[str, int], float, int]:
        """Return the number of jobs in each state, how long the oldest waits, and all bytes."""
        states = select(JOBS.c.state, func.count()).group_by(JOBS.c.state)
        oldest = select(self._now() - func.min(JOBS.c.created)).where(JOBS.c.state == "waiting")
        size = select(func.coalesce(func.sum(JOBS.c.bytes), 0))

        def act(connection: Connection) -> tuple[dict[str, int], float, int]:
            found = {str(row[0]): int(row[1]) for row in connection.execute(states)}
            age = connection.execute(oldest).scalar_one()
            return found, float(age or 0.0), int(connection.execute(size).scalar_one())

        return await self._run(act)

    async def _change(self, job: Job, **values: object) -> None:
        await self._run(lambda connection: self._held(connection, job, **values))

    def _held(self, connection: Connection, job: Job, **values: object) -> None:
        """Change a job that is held with its token; raise LeaseLost if it is not."""
        held = and_(JOBS.c.id == job.id, JOBS.c.token == job.token, JOBS.c.state == "working")
        if connection.execute(update(JOBS).where(held).values(**values)).rowcount != 1:
            raise LeaseLost(job.id)

    def _of_key(self, connection: Connection, job: Job) -> Job | None:
        if job.idempotency_key is None:
            return None
        wanted = and_(JOBS.c.owner == job.owner, JOBS.c.idempotency_key == job.idempotency_key)
        return _job(connection.execute(select(JOBS).where(wanted)).first())

    def _now(self) -> ColumnElement[float]:
        """Return the time as one clock for all gateways tells it: that of the database."""
        if self._engine.dialect.name == "sqlite":
            return literal(time.time())
        return func.extract("epoch", func.clock_timestamp()).cast(JOBS.c.created.type)

    def _make_tables(self, connection: Connection) -> None:
        if self._engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        METADATA.create_all(connection)

    async def _run(self, act: Callable[[Connection], T]) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._in_transaction, act)

    def _in_transaction(self, act: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return act(connection)
        except exc.IntegrityError:
            raise
        except exc.SQLAlchemyError as error:
            raise JobsUnavailable("the store of jobs does not answer; try again later") from error


def _all(query: Any) -> Callable[[Connection], Sequence[Row[Any]]]:  # noqa: ANN401
    return lambda connection: connection.execute(query).all()


def _job(row: Row[Any] | None) -> Job | None:
    return None if row is None else Job(**row._mapping)
