"""What is told of jobs over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

import orjson
from pydantic import BaseModel, ConfigDict, Field

from service.jobs.records import Attempt, Delivery, Job, State, path_of


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class JobProgress(_Told):
    """How far a job is, in seconds of its clip."""

    seconds_done: float
    seconds_in_all: float | None = Field(description="Null until the clip has been opened.")

    @classmethod
    def of(cls, job: Job) -> Self:
        """Return the progress of a job."""
        in_all = job.seconds_in_all
        return cls(
            seconds_done=round(job.seconds_done, 3),
            seconds_in_all=None if in_all is None else round(in_all, 3),
        )


class JobErrorFacts(_Told):
    """Why a job failed: as in the problem that `GET /jobs/{id}/result` returns."""

    code: str = Field(examples=["clip_unreadable"])
    detail: str
    limit: float | str | None = None
    actual: float | str | None = None


class WebhookAttempt(_Told):
    """One call; without status and error, nobody knows how it went."""

    number: int
    at: datetime
    seconds: float | None
    status: int | None = Field(description="HTTP status of the answer, if there was one.")
    error: str | None

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        """Return what is told of an attempt."""
        return cls(
            number=attempt.number,
            at=_time(attempt.at),
            seconds=attempt.seconds,
            status=attempt.status,
            error=attempt.error,
        )


class WebhookDelivery(_Told):
    """A call that tells of a job's end; each attempt has the same `id`."""

    id: str = Field(description="As in the header `webhook-id`.")
    event: str = Field(examples=["job.done"])
    delivered: datetime | None
    next_attempt: datetime | None = Field(description="Null once delivered or given up.")
    attempts: list[WebhookAttempt]

    @classmethod
    def of(cls, call: Delivery, attempts: list[Attempt]) -> Self:
        """Return what is told of a call."""
        return cls(
            id=call.id,
            event=call.event,
            delivered=_maybe(call.delivered),
            next_attempt=_maybe(call.next_at),
            attempts=[WebhookAttempt.of(one) for one in attempts],
        )


class JobSummary(_Told):
    """A job, as in the list of all."""

    id: str
    state: State = Field(description="`waiting`, `working`, `done` or `failed`.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    expires: datetime | None = Field(description="When the job and its result are removed.")
    progress: JobProgress
    error: JobErrorFacts | None

    @classmethod
    def of(cls, job: Job, **more: Any) -> Self:  # noqa: ANN401
        """Return what is told of a job."""
        return cls(
            id=job.id,
            state=job.state,
            created=_time(job.created),
            started=_maybe(job.started),
            finished=_maybe(job.finished),
            expires=_maybe(job.expires),
            progress=JobProgress.of(job),
            error=None if job.error is None else JobErrorFacts(**orjson.loads(job.error)),
            **more,
        )


class JobDetails(JobSummary):
    """A job, with all that is known of it."""

    options: dict[str, Any]
    webhook: str | None
    deliveries: list[WebhookDelivery]
    result: str | None = Field(description="Path of the result, once there is one.")

    @classmethod
    def with_calls(
        cls, job: Job, calls: list[tuple[Delivery, list[Attempt]]], *, root: str
    ) -> Self:
        """Return what is told of a job and of the calls that tell of it."""
        return cls.of(
            job,
            options=orjson.loads(job.options),
            webhook=job.webhook,
            deliveries=[WebhookDelivery.of(*one) for one in calls],
            result=f"{path_of(job.id, root)}/result" if job.state == "done" else None,
        )


class JobList(_Told):
    """A key's jobs, the newest first."""

    jobs: list[JobSummary]
    next: float | None = Field(description="Give it as `before` to get the jobs before these.")


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _maybe(seconds: float | None) -> datetime | None:
    return None if seconds is None else _time(seconds)
