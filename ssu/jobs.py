"""Jobs of a service: clips that are understood in the background, `docs/jobs.md`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Unpack
from urllib.parse import quote
from uuid import uuid4

import anyio

from ssu.answers import Answer, Job, JobList, parsed
from ssu.calls import Call, named, nobody
from ssu.clips import Clip, ClipSource, Sent
from ssu.errors import error_of
from ssu.options import Options, query_of
from ssuformer.errors import DeadlineExceeded, OptionError

Told = Callable[[Job], None]
"""Is told a job whenever it was looked at."""

_LOOK_SECONDS = 1.0
_PAGE = 100


class JobOptions(Options, total=False):
    """Options of a job."""

    webhook: str | None
    """URL that is called when the job has ended."""


class Jobs:
    """The jobs that were sent with the client's key; a job is named by its id."""

    def __init__(self, ask: Callable[[Call], bytes]) -> None:
        self._ask = ask

    def submit(
        self,
        clip: ClipSource | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        sent: Sent = nobody,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Send a clip, or where it is to be fetched from, and return its job.

        With an idempotency key that was used before, it is the job of then. Without, one is made,
        so that a call that has to be repeated gives one job, too.
        """
        return parsed(Job, self._ask(_submit(clip, url, key, sent, options)))

    def get(self, job: str) -> Job:
        """Return how far a job is."""
        return parsed(Job, self._ask(_get(job)))

    def list(self) -> Iterator[Job]:
        """Yield all jobs, the newest first."""
        page: JobList | None = None
        while page is None or page.next is not None:
            page = parsed(JobList, self._ask(_list(page)))
            yield from page.jobs

    def wait(self, job: str, *, told: Told = lambda _: None, seconds: float | None = None) -> Job:
        """Return a job that is done; raise the error of one that failed.

        Raises DeadlineExceeded after so many seconds; the job goes on.
        """
        began = time.monotonic()
        while not (found := self.get(job)).ended:
            told(found)
            time.sleep(_pause(found, seconds, time.monotonic() - began))
        told(found)
        return _done(found)

    def result(self, job: str, *, clip: ClipSource | None = None) -> Answer:
        """Return the answer of a job that is done, about a clip if it is given."""
        source = None if clip is None else Clip.of(clip).content
        return Answer.read(self.written(job, "json"), source)

    def written(self, job: str, name: str) -> bytes:
        """Return the answer of a job in the format of this name, written by the service."""
        return self._ask(_result(job, name))

    def cancel(self, job: str) -> None:
        """Stop the work on a job, and remove it and its result."""
        self._ask(_cancel(job))


class AsyncJobs:
    """The same for programs with an event loop."""

    def __init__(self, ask: Callable[[Call], Awaitable[bytes]]) -> None:
        self._ask = ask

    async def submit(
        self,
        clip: ClipSource | None = None,
        *,
        url: str | None = None,
        key: str | None = None,
        sent: Sent = nobody,
        **options: Unpack[JobOptions],
    ) -> Job:
        """Send a clip, or where it is to be fetched from, and return its job."""
        return parsed(Job, await self._ask(_submit(clip, url, key, sent, options)))

    async def get(self, job: str) -> Job:
        """Return how far a job is."""
        return parsed(Job, await self._ask(_get(job)))

    async def list(self) -> AsyncIterator[Job]:
        """Yield all jobs, the newest first."""
        page: JobList | None = None
        while page is None or page.next is not None:
            page = parsed(JobList, await self._ask(_list(page)))
            for job in page.jobs:
                yield job

    async def wait(
        self, job: str, *, told: Told = lambda _: None, seconds: float | None = None
    ) -> Job:
        """Return a job that is done; raise the error of one that failed."""
        began = time.monotonic()
        while not (found := await self.get(job)).ended:
            told(found)
            await anyio.sleep(_pause(found, seconds, time.monotonic() - began))
        told(found)
        return _done(found)

    async def result(self, job: str, *, clip: ClipSource | None = None) -> Answer:
        """Return the answer of a job that is done, about a clip if it is given."""
        source = None if clip is None else Clip.of(clip).content
        return Answer.read(await self.written(job, "json"), source)

    async def written(self, job: str, name: str) -> bytes:
        """Return the answer of a job in the format of this name, written by the service."""
        return await self._ask(_result(job, name))

    async def cancel(self, job: str) -> None:
        """Stop the work on a job, and remove it and its result."""
        await self._ask(_cancel(job))


def _submit(
    clip: ClipSource | None, url: str | None, key: str | None, sent: Sent, options: JobOptions
) -> Call:
    if (clip is None) == (url is None):
        raise OptionError("a job has either a clip or the URL of one")
    read = None if clip is None else Clip.of(clip)
    query = query_of({"url": url, **named(read), **options})
    headers = {"Idempotency-Key": key or str(uuid4())}
    return Call("POST", "/jobs", query, read, headers, sent)


def _path(job: str) -> str:
    """Return the path of a job, whatever its id is made of; dots must not lead elsewhere."""
    return "/jobs/" + quote(job, safe="").replace(".", "%2E")


def _get(job: str) -> Call:
    return Call("GET", _path(job))


def _list(page: JobList | None) -> Call:
    before = None if page is None else page.next
    return Call("GET", "/jobs", query_of({"most": _PAGE, "before": before}))


def _result(job: str, name: str) -> Call:
    return Call("GET", f"{_path(job)}/result", {"format": name})


def _cancel(job: str) -> Call:
    return Call("DELETE", _path(job))


def _pause(job: Job, seconds: float | None, spent: float) -> float:
    """Return the time until the next look; DeadlineExceeded if there is none left."""
    if seconds is None:
        return _LOOK_SECONDS
    if spent >= seconds:
        raise DeadlineExceeded(
            f"the job {job.id} is {job.state} after {spent:.1f} s", limit=seconds, actual=spent
        )
    return min(_LOOK_SECONDS, seconds - spent)


def _done(job: Job) -> Job:
    if job.error is not None:
        raise error_of(job.error.model_dump())
    return job
