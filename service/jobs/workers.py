"""The workers of a gateway: they take jobs, hold their leases, and store how they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import orjson

from service.jobs.files import FilesGone
from service.jobs.options import JobOptions
from service.jobs.records import Job, State
from service.jobs.store import LeaseLost
from service.jobs.webhooks import call_of
from service.jobs.work import JobWork, Workplace, check_deadline
from ssuformer.errors import (
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    InputRefused,
    InputUnreachable,
    JobGivenUp,
    JobsUnavailable,
    Overloaded,
    SsuError,
    StorageFull,
)

_POLL_SECONDS = 1.0
"""Between looks for jobs that were sent to other gateways."""
_BEATS = 3
"""How often a lease is renewed in its time."""
_MOST_TRIES = 5
"""How often a job may be taken without getting on."""
_WAIT_SECONDS = 2.0
"""Before a job that could not be done is taken again; twice as many each time."""

_PASSING = (EngineUnavailable, Overloaded, StorageFull, JobsUnavailable)
"""Reasons that lie in the service and will pass: they do not count as tries."""
_AGAIN = (*_PASSING, EngineError, InputUnreachable)


class Workers:
    """Work on jobs, as many at a time as the settings allow."""

    def __init__(self, place: Workplace, *, ready: Callable[[], bool]) -> None:
        """`ready` tells whether another job may be begun."""
        self._place = place
        self._ready = ready
        self._lease = place.settings.job_lease_seconds
        self._news = asyncio.Event()
        self._in_work: dict[str, asyncio.Task[str]] = {}

    def wake(self) -> None:
        """Have a look for a new job at once."""
        self._news.set()

    def stop(self, job: str) -> None:
        """Stop the work on a job, if it is done here."""
        if task := self._in_work.get(job):
            task.cancel()

    async def keep_working(self) -> None:
        """Take one job after the other until cancelled; what is unfinished is given back."""
        while True:
            if not await self._work_on_next():
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._news.wait()

    async def end_late(self) -> bool:
        """End the jobs whose deadline has passed while they waited; return that none is left."""
        for job in await self._place.store.waiting_with("deadline"):
            await self._end_if_late(job)
        return False

    async def _end_if_late(self, job: Job) -> None:
        try:
            check_deadline(job, JobOptions.model_validate_json(job.options))
        except DeadlineExceeded as error:
            if taken := await self._place.store.take(lease=self._lease, only=job.id):
                await self._end(taken, "failed", error=error)

    async def _work_on_next(self) -> bool:
        """Work on a job, if there is one."""
        if not self._ready():
            return False
        try:
            job = await self._place.store.take(lease=self._lease)
            if job is not None:
                await self._work(job)
        except JobsUnavailable as error:
            self._place.log.warning("jobs_unavailable", reason=repr(error.__cause__))
            return False
        except Exception:  # a worker that ends would be missed by nobody
            self._place.log.exception("job_worker_failed")
            return False
        return job is not None

    async def _work(self, job: Job) -> None:
        self._note_taken(job)
        work = JobWork(self._place, job)
        try:
            if job.fruitless > _MOST_TRIES:
                raise JobGivenUp(
                    f"the job was begun {_MOST_TRIES} times without getting on", limit=_MOST_TRIES
                )
            answer = await self._held(job, work.do())
            await self._end(job, "done", answer=answer)
        except (LeaseLost, FilesGone):
            self._place.metrics.leases_lost.inc()
            self._place.log.info("job_lease_lost", job=job.id, token=job.token)
        except asyncio.CancelledError:
            await self._give_back(job, "stopped", wait=0.0, counted=False)
            raise
        except SsuError as error:
            await self._on_error(job, error, progressed=work.progressed)
        except Exception:
            self._place.log.exception("job_crashed", job=job.id)
            crash = SsuError("internal error; see the log for this job")
            await self._try_again(job, crash, progressed=work.progressed)

    def _note_taken(self, job: Job) -> None:
        taken_over = job.token > 1 and job.parts > 0
        if taken_over:
            self._place.metrics.taken_over.inc()
        self._place.log.info("job_taken", job=job.id, token=job.token, parts=job.parts)

    async def _held(self, job: Job, doing: Coroutine[Any, Any, str]) -> str:
        """Return what the work returns; stop it, and raise LeaseLost, once the lease is lost."""
        work = self._in_work[job.id] = asyncio.create_task(doing)
        beats = asyncio.create_task(self._renew(job))
        try:
            await asyncio.wait((work, beats), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await beats
            if work.cancelled():
                raise LeaseLost(job.id)
            return work.result()
        finally:
            del self._in_work[job.id]
            for task in (work, beats):
                task.cancel()
            await asyncio.gather(work, beats, return_exceptions=True)

    async def _renew(self, job: Job) -> None:
        """Renew a lease until it is lost, or until nobody can say that it is not."""
        held = time.monotonic()
        while True:
            await asyncio.sleep(self._lease / _BEATS)
            asked = time.monotonic()
            try:
                await self._place.store.renew(job, lease=self._lease)
                held = asked
            except JobsUnavailable as error:
                if time.monotonic() - held > self._lease:
                    raise LeaseLost(job.id) from error

    async def _on_error(self, job: Job, error: SsuError, *, progressed: bool) -> None:
        if isinstance(error, _PASSING):
            wait = error.retry_after or _WAIT_SECONDS
            await self._give_back(job, error.code, wait=wait, counted=progressed)
        elif isinstance(error, _AGAIN) and not isinstance(error, InputRefused):
            await self._try_again(job, error, progressed=progressed)
        else:
            await self._end(job, "failed", error=error)

    async def _try_again(self, job: Job, error: SsuError, *, progressed: bool) -> None:
        """Give a job back that got on since it was taken, or was not taken too often."""
        tries = 1 if progressed else job.fruitless
        if tries >= _MOST_TRIES:
            await self._end(job, "failed", error=error)
        else:
            wait = _WAIT_SECONDS * 2.0 ** (tries - 1)
            await self._give_back(job, error.code, wait=wait, counted=True)

    async def _give_back(self, job: Job, reason: str, *, wait: float, counted: bool) -> None:
        self._place.log.info("job_given_back", job=job.id, reason=reason, seconds=wait)
        with suppress(LeaseLost, JobsUnavailable):  # then the lease runs out
            await self._place.store.release(job, wait=wait, counted=counted)

    async def _end(
        self,
        job: Job,
        state: State,
        *,
        answer: str | None = None,
        error: SsuError | None = None,
    ) -> None:
        """Store the end of a job and the call that tells of it, together."""
        told = None if error is None else _told(error)
        try:
            await self._place.store.end(
                job,
                state,
                keep=self._place.settings.job_ttl_seconds,
                delivery=call_of(job, state, told, root=self._place.settings.root_path),
                answer=answer,
                error=None if told is None else orjson.dumps(told).decode(),
            )
        except LeaseLost:
            self._place.metrics.leases_lost.inc()
            self._place.log.info("job_lease_lost", job=job.id, token=job.token)
            return
        self._place.metrics.ended.labels(state).inc()
        self._place.log.info(
            "job_ended", job=job.id, state=state, code=None if error is None else error.code
        )


def _told(error: SsuError) -> dict[str, Any]:
    return {
        "code": error.code,
        "detail": error.message,
        "limit": error.limit,
        "actual": error.actual,
    }
