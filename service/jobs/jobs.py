"""Jobs as a whole: what routes may ask for, and what runs beside them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from fastapi.concurrency import contextmanager_in_threadpool
from sqlalchemy import make_url
from structlog.typing import FilteringBoundLogger

from service.admission import Admission
from service.jobs import files
from service.jobs.files import CLIP, FilesGone, files_at
from service.jobs.inputs import Inputs
from service.jobs.metrics import JobMetrics
from service.jobs.options import JobOptions
from service.jobs.outgoing import Outgoing
from service.jobs.records import Job
from service.jobs.schemas import JobDetails
from service.jobs.store import JobStore
from service.jobs.stored_frames import StoredFrames
from service.jobs.webhooks import Webhooks
from service.jobs.work import Workplace
from service.jobs.workers import Workers
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.understanding.schemas import Understanding
from service.weights.generation import Generation
from ssuformer import errors

_TICK_SECONDS = 1.0
_CALLERS = 2
_SWEEP_SECONDS = 15.0
_ORPHAN_SECONDS = 3600.0
"""After that files without a job are removed."""
_ORPHANS_EVERY_SECONDS = 600.0
"""Between looks for them: an object store takes money for each."""
_PIECE = 2**20


@dataclass(frozen=True, slots=True)
class Sent:
    """A clip in an open file, or nothing where it is to be fetched."""

    descriptor: int
    size: int


class Jobs:
    """The jobs of a gateway, and those of others with the same store."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        log: FilteringBoundLogger,
        *,
        admission: Admission,
        current: Callable[[], Generation],
        used: Callable[[str, float], None],
        ready: Callable[[], bool],
    ) -> None:
        """Connect to nothing yet; raise ConfigError if a setting does not fit the others."""
        url = settings.jobs or ""
        self._settings = settings
        self._log = log
        self._metrics = JobMetrics(metrics.registry)
        self._store = JobStore(url)
        self._files = files_at(settings.jobs_folder or _folder_beside(url))
        self._inputs = Outgoing(settings.input_hosts, settings.outgoing_networks, named="url")
        calls = Outgoing(settings.webhook_hosts, settings.outgoing_networks, named="webhook")
        self._webhooks = Webhooks(settings, log, self._metrics, self._store, calls)
        place = Workplace(
            settings=settings,
            log=log,
            metrics=self._metrics,
            store=self._store,
            files=self._files,
            inputs=Inputs(settings, self._inputs),
            admission=admission,
            current=current,
            used=used,
        )
        self._workers = Workers(place, ready=ready)

    @property
    def fetches(self) -> bool:
        """Whether clips may be fetched from any host."""
        return self._inputs.allowed

    @property
    def calls(self) -> bool:
        """Whether webhooks may be sent to any host."""
        return self._webhooks.allowed

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work until the block is left; jobs that are unfinished then are given back."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._store.close)
            await asyncio.to_thread(self._files.start)
            try:
                await self._store.start()
            except errors.JobsUnavailable as error:  # requests are answered all the same
                self._log.error("jobs_unavailable", reason=repr(error.__cause__))
            works = [self._workers.keep_working() for _ in range(self._settings.job_workers)]
            works += [
                self._repeat(self._webhooks.make_next, _TICK_SECONDS) for _ in range(_CALLERS)
            ]
            works.append(self._repeat(self._workers.end_late, _TICK_SECONDS))
            works.append(self._repeat(self._sweep, _SWEEP_SECONDS))
            works.append(self._repeat(self._remove_orphans, _ORPHANS_EVERY_SECONDS))
            tasks = [asyncio.create_task(work) for work in works]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def check(self, owner: str, options: JobOptions, size: int) -> None:
        """Raise an error if a job of this kind and size may not be sent now."""
        if options.url is not None:
            self._inputs.check(options.url)
        if options.webhook is not None:
            self._webhooks.check(options.webhook)
        limit = self._settings.jobs_unfinished
        if await self._store.unfinished(owner) >= limit:
            raise errors.TooManyJobs(f"{limit} jobs of this key are not done yet", limit=limit)
        _, _, held = await self._store.counts()
        if held + size > self._settings.jobs_disk:
            raise errors.StorageFull(
                "the clips and results of all jobs fill the room there is; delete some",
                limit=self._settings.jobs_disk,
            )

    async def add(
        self, owner: str, options: JobOptions, clip: Sent | None, *, key: str | None
    ) -> tuple[Job, bool]:
        """Store a job; return it, and whether it is new.

        With a key that was used before, it is the job of then; IdempotencyKeyReused if that was
        another request.
        """
        digest = await asyncio.to_thread(_digest, options, clip)
        job = _new(owner, options, clip, key=key, digest=digest)
        known = None if key is None else await self._store.with_key(owner, key)
        if known is None:
            await self.check(owner, options, job.bytes)
            known = await self._put(job, clip)
        if known is None:
            self._workers.wake()
            self._log.info("job_sent", job=job.id, key=owner, bytes=job.bytes)
            return await self._store.find(job.id, owner), True
        if known.request_digest != digest:
            raise errors.IdempotencyKeyReused(
                "this Idempotency-Key belongs to a job with another clip or other options"
            )
        return known, False

    async def _put(self, job: Job, clip: Sent | None) -> Job | None:
        """Store a job with its clip; return the one that was stored under its key before."""
        known: Job | None = None
        stored = False
        try:
            await asyncio.to_thread(self._files.add, job.id)
            if clip is not None:
                await asyncio.to_thread(files.copy_in, self._files, job.id, CLIP, clip.descriptor)
            known = await self._store.add(job)
            stored = known is None
        finally:
            if not stored:
                await asyncio.to_thread(self._files.remove_all, job.id)
        return known

    async def find(self, job: str, owner: str) -> Job:
        """Return an owner's job; raise JobNotFound if there is none."""
        return await self._store.find(job, owner)

    async def of_owner(self, owner: str, *, most: int, before: float | None) -> list[Job]:
        """Return jobs of an owner, the newest first, before a time if one is given."""
        return await self._store.of_owner(owner, most=most, before=before)

    async def details(self, job: Job) -> JobDetails:
        """Return all that is told of a job."""
        calls = await self._store.deliveries(job.id)
        return JobDetails.with_calls(job, calls, root=self._settings.root_path)

    async def delete(self, job: str, owner: str) -> None:
        """Stop a job and remove all that belongs to it; raise JobNotFound if there is none."""
        await self._store.delete(job, owner)
        self._workers.stop(job)
        await asyncio.to_thread(self._files.remove_all, job)
        self._metrics.ended.labels("deleted").inc()
        self._log.info("job_deleted", job=job)

    @asynccontextmanager
    async def result(
        self, job: Job, *, piecewise: bool
    ) -> AsyncIterator[tuple[Understanding, int | None]]:
        """Yield the answer of a job that is done, and its clip as an open file.

        With `piecewise`, its frames are read each time they are gone through, and the clip is not.
        Raises JobUnfinished, or the error that a failed job ended with.
        """
        if not job.ended:
            raise errors.JobUnfinished(f"the job is {job.state}; it has no result yet")
        if job.error is not None:
            raise _error(job.error)
        parts = await self._store.parts(job.id)
        frames = StoredFrames(self._files, job.id, parts)
        try:
            name = job.answer or ""
            written = await asyncio.to_thread(files.read, self._files, job.id, name)
            head = Understanding.model_validate_json(written)
            found = frames if piecewise else await asyncio.to_thread(list, frames)
            answer = head.model_copy(update={"frames": found})
            if piecewise:
                yield answer, None
                return
            opened = self._files.opened(job.id, CLIP)
            async with contextmanager_in_threadpool(opened) as clip:
                yield answer, clip.fileno()
        except FilesGone as error:
            raise errors.JobNotFound("the job has expired or has been deleted") from error

    async def _repeat(self, act: Callable[[], Coroutine[Any, Any, bool]], pause: float) -> None:
        """Do something again and again, at once while there is more to do."""
        while True:
            try:
                more = await act()
            except errors.JobsUnavailable:
                more = False
            except Exception:
                self._log.exception("job_chore_failed")
                more = False
            if not more:
                await asyncio.sleep(pause)

    async def _sweep(self) -> bool:
        """Remove what has expired and what belongs to no job; show what there is."""
        await self._store.start()
        expired = await self._store.remove_expired()
        for job in expired:
            await asyncio.to_thread(self._files.remove_all, job)
            self._metrics.ended.labels("expired").inc()
            self._log.info("job_expired", job=job)
        counts, oldest, size = await self._store.counts()
        for state in ("waiting", "working", "done", "failed"):
            self._metrics.jobs.labels(state).set(counts.get(state, 0))
        self._metrics.oldest.set(oldest)
        self._metrics.bytes.set(size)
        return False

    async def _remove_orphans(self) -> bool:
        """Remove files of jobs that the store does not know."""
        old = await asyncio.to_thread(self._files.older_than, _ORPHAN_SECONDS)
        for job in set(old) - await self._store.known(old):
            await asyncio.to_thread(self._files.remove_all, job)
        return False


def _folder_beside(url: str) -> Path:
    place = make_url(url)
    if place.drivername != "sqlite":
        raise errors.ConfigError(
            "SSU_JOBS_FOLDER is missing: gateways that share a store share a folder, too"
        )
    return Path(place.database or "").parent / "files"


def _new(
    owner: str, options: JobOptions, clip: Sent | None, *, key: str | None, digest: str
) -> Job:
    return Job(
        id=secrets.token_hex(16),
        owner=owner,
        idempotency_key=key,
        request_digest=digest,
        options=options.model_dump_json(exclude={"webhook"}, exclude_defaults=True),
        url=options.url,
        webhook=options.webhook,
        state="waiting",
        created=0.0,
        bytes=0 if clip is None else clip.size,
    )


def _digest(options: JobOptions, clip: Sent | None) -> str:
    """Return what is the same for the same clip, or the same URL, with the same options.

    What the clip's file is called is none of them.
    """
    told = options.model_dump(mode="json", exclude={"file_name"})
    found = hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS))
    at = 0
    while clip is not None and (piece := os.pread(clip.descriptor, _PIECE, at)):
        found.update(piece)
        at += len(piece)
    return found.hexdigest()


def _error(written: str) -> errors.SsuError:
    """Return the error that a job ended with."""
    told = orjson.loads(written)
    code, message = told.pop("code"), told.pop("detail")
    kinds = [errors.SsuError]
    while kinds:
        kind = kinds.pop()
        if kind.code == code:
            return kind(message, **told)
        kinds += kind.__subclasses__()
    return errors.SsuError(message, **told)
