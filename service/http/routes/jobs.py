"""Jobs: clips that are understood in the background."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from service.formats.catalogue import named
from service.formats.format import Format, Need
from service.gateway import Gateway
from service.http.deadline import within
from service.http.documented_problems import JOB_PROBLEMS, problems
from service.http.openapi import answers, clip_body
from service.http.routes.dependencies import GatewayDep, each_option_once, key_of, sender_of
from service.http.written_answer import (
    AnswerFile,
    answer_file,
    chosen,
    response_of,
    with_name,
    with_upload,
    write_answer,
)
from service.jobs.jobs import Jobs, Sent
from service.jobs.options import JobOptions, ResultOptions
from service.jobs.records import Job, path_of
from service.jobs.schemas import JobDetails, JobList, JobSummary
from service.telemetry.stages import StageClock
from service.understanding.schemas import Understanding
from ssuformer.errors import JobNotFound, JobsUnavailable, OptionError

router = APIRouter(tags=["jobs"], responses=problems(JobNotFound, JobsUnavailable))

_LOOK_SECONDS = 1.0
_QUIET_LOOKS = 15
"""After so many looks without news a comment is sent, so that no proxy gives up."""

_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events.", "content": {"text/event-stream": {}}}
}


def _jobs(gateway: GatewayDep) -> Jobs:
    if gateway.jobs is None:
        raise JobNotFound("this service has no jobs")
    return gateway.jobs


def _owner(request: Request) -> str:
    key = key_of(request)
    return key.name if key else ""


JobsDep = Annotated[Jobs, Depends(_jobs)]
OwnerDep = Annotated[str, Depends(_owner)]
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=255)]


@router.post(
    "/jobs",
    status_code=202,
    dependencies=[Depends(each_option_once)],
    response_model=JobDetails,
    responses=JOB_PROBLEMS,
    openapi_extra=clip_body(JobOptions, required=False, left_out={"url"}),
    summary="Have a clip understood in the background",
)
async def send_job(
    request: Request,
    options: Annotated[JobOptions, Query()],
    gateway: GatewayDep,
    jobs: JobsDep,
    owner: OwnerDep,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Take a clip as multipart field `file`, as the raw body or from `url=`, and return the job.

    The same `Idempotency-Key` with the same clip and options returns the same job again.
    """
    if key := key_of(request):
        gateway.allowances.take(key)
    if idempotency_key is None:
        await jobs.check(owner, options, 0)
    if options.url is not None:
        if request.headers.get("content-length", "0") != "0":
            raise OptionError("url: the clip is fetched from there; send no body")
        options = with_name(options, unquote(urlsplit(options.url).path).rpartition("/")[2] or None)
        job, new = await jobs.add(owner, _checked(options), None, key=idempotency_key)
    else:
        job, new = await _send_body(request, options, gateway, jobs, owner, idempotency_key)
    headers = {"Location": path_of(job.id, gateway.settings.root_path)}
    if not new:
        headers["Idempotent-Replayed"] = "true"
    details = await jobs.details(job)
    return JSONResponse(details.model_dump(mode="json"), status_code=202, headers=headers)


async def _send_body(
    request: Request,
    options: JobOptions,
    gateway: Gateway,
    jobs: Jobs,
    owner: str,
    key: str | None,
) -> tuple[Job, bool]:
    upload = await gateway.uploads.receive(request, limit=gateway.settings.job_max_bytes)
    gateway.metrics.clip_bytes.observe(upload.size)
    async with gateway.uploads.closing(upload):
        if "url" in upload.fields:
            raise OptionError("url: give it in the query, without a body")
        options = _checked(with_upload(options, upload, request))
        return await jobs.add(owner, options, Sent(upload.descriptor, upload.size), key=key)


def _checked(options: JobOptions) -> JobOptions:
    """Return the options; raise OptionError if they do not fit a job, or each other."""
    if options.format is not None:
        named(options.format).check(masks=options.mask_format != "none", clip=True)
    return options


@router.get("/jobs", summary="Your jobs, the newest first")
async def list_jobs(
    jobs: JobsDep,
    owner: OwnerDep,
    most: Annotated[int, Query(ge=1, le=500)] = 50,
    before: Annotated[float | None, Query(allow_inf_nan=False)] = None,
) -> JobList:
    """Return the jobs that were sent with your key."""
    found = await jobs.of_owner(owner, most=most, before=before)
    following = found[-1].created if len(found) == most else None
    return JobList(jobs=[JobSummary.of(job) for job in found], next=following)


@router.get("/jobs/{job}", summary="A job and its progress")
async def job_details(job: str, jobs: JobsDep, owner: OwnerDep) -> JobDetails:
    """Return how far a job is, and how the calls went that tell of its end."""
    return await jobs.details(await jobs.find(job, owner))


@router.get(
    "/jobs/{job}/events",
    response_class=StreamingResponse,
    responses=_EVENTS,
    summary="The progress of a job, as server-sent events",
)
async def job_events(job: str, gateway: GatewayDep, jobs: JobsDep, owner: OwnerDep) -> Response:
    """Send `progress` whenever there is some, and at the end `done`, `failed` or `deleted`."""
    found = await jobs.find(job, owner)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    news = _news(found, gateway, jobs)
    return StreamingResponse(news, media_type="text/event-stream", headers=headers)


async def _news(job: Job, gateway: Gateway, jobs: Jobs) -> AsyncIterator[bytes]:
    told, quiet = "", 0
    while not gateway.draining:
        told_now = JobSummary.of(job).model_dump_json()
        if told_now != told:
            told, quiet = told_now, 0
            yield _event(job.state if job.ended else "progress", told)
        elif quiet == _QUIET_LOOKS:
            quiet = 0
            yield b": still there\n\n"
        if job.ended:
            return
        await asyncio.sleep(_LOOK_SECONDS)
        quiet += 1
        try:
            job = await jobs.find(job.id, job.owner)
        except JobNotFound:
            yield _event("deleted", "{}")
            return


def _event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


@router.get(
    "/jobs/{job}/result",
    response_model=Understanding,
    responses={200: answers(), **JOB_PROBLEMS},
    summary="The answer of a job that is done",
)
async def job_result(
    request: Request,
    job: str,
    gateway: GatewayDep,
    jobs: JobsDep,
    owner: OwnerDep,
    wanted: Annotated[ResultOptions, Query()],
) -> Response:
    """Return the answer as `POST /understand` would; of a job that failed, the problem.

    Without `format`, it is the one that the job was sent with, or that of the header `Accept`.
    """
    found = await jobs.find(job, owner)
    options = JobOptions.model_validate_json(found.options)
    form = chosen(options.model_copy(update={"format": wanted.format or options.format}), request)
    clock = StageClock()
    with answer_file() as file:
        async with jobs.result(found, piecewise=form.piecewise) as (answer, clip):
            write = partial(_write, form, answer, clip, gateway, clock, file, options.file_name)
            drawn = Need.PICTURES in form.needs
            work = _in_turn(write, request, gateway, answer.seconds, clock) if drawn else write()
            seconds = gateway.settings.deadline_seconds
            await within(seconds, work, clock=clock, client=request)
        return response_of(file, form, clock, name=options.file_name)


async def _write(
    form: Format,
    answer: Understanding,
    clip: int | None,
    gateway: Gateway,
    clock: StageClock,
    file: AnswerFile,
    name: str | None,
) -> None:
    with clock.stage("encode"):
        await write_answer(form, answer, clip, gateway.drawings, file, name=name)


async def _in_turn(
    draw: Callable[[], Coroutine[Any, Any, None]],
    request: Request,
    gateway: Gateway,
    seconds: float,
    clock: StageClock,
) -> None:
    """Draw on so many seconds of a film once it is its turn, as for a clip."""
    costs, sender = gateway.costs, sender_of(request)
    async with gateway.admission.turn(clock, sender=sender, cost=costs.guess_drawing(seconds)):
        await draw()
        costs.learn_drawing(seconds, clock.seconds["encode"])


@router.delete("/jobs/{job}", status_code=204, summary="Stop a job and remove its result")
async def delete_job(job: str, jobs: JobsDep, owner: OwnerDep) -> None:
    """Stop the work on a job, wherever it is done, and remove all that belongs to it."""
    await jobs.delete(job, owner)
