"""`POST /understand`: a clip in, masks and sentences out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.requests import ClientDisconnect

from service.formats.format import Format, Need
from service.gateway import Gateway
from service.http.deadline import within
from service.http.documented_problems import PROBLEMS
from service.http.openapi import answers, clip_body
from service.http.record_stream import RecordStream, RecordWriter
from service.http.request_log import CLIENT_DEADLINE, exemplar_of
from service.http.routes.dependencies import (
    GatewayDep,
    each_option_once,
    key_of,
    sender_of,
    trace_of,
)
from service.http.spool import Spool
from service.http.upload import Upload, is_form
from service.http.written_answer import (
    AnswerFile,
    answer_file,
    chosen,
    headers_of,
    response_of,
    with_upload,
    write_answer,
)
from service.telemetry.stages import StageClock
from service.telemetry.trace import passed_on
from service.understanding.options import Options
from service.understanding.pipeline import Pipeline
from service.understanding.schemas import Head, Tail, Understanding
from ssuformer.errors import DeadlineExceeded, RateExceeded

router = APIRouter(tags=["understanding"])


@router.post(
    "/understand",
    dependencies=[Depends(each_option_once)],
    response_model=Understanding,
    responses={200: answers(), **PROBLEMS},
    openapi_extra=clip_body(Options),
    summary="Find and describe the sound sources in every second of a clip",
)
async def understand(
    request: Request, options: Annotated[Options, Query()], gateway: GatewayDep
) -> Response:
    """Take a clip as multipart field `file` or as the raw body, and return the answer.

    In a multipart form, options may be fields as well as parameters of the query. As `ndjson` and
    `sse` the answer is sent window by window, while the clip is in work.
    """
    clock = StageClock(trace_of(request))
    with passed_on(clock.trace.headers):
        async with AsyncExitStack() as ending:
            ending.enter_context(_noted(request, options, gateway, clock))
            gateway.current.admit(captions=options.captions)
            gateway.admission.check(sender_of(request))
            if key := key_of(request):
                gateway.allowances.take(key)
            upload = await _received(request, options, gateway, clock)
            await ending.enter_async_context(gateway.uploads.closing(upload))
            asked = _Asked.of(request, upload, options, gateway, clock)
            if asked.streamed:
                return await _stream(asked, ending.pop_all())
            return await _whole_answer(asked)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request whose clip has been received."""

    request: Request
    upload: Upload
    options: Options
    gateway: Gateway
    clock: StageClock
    form: Format
    seconds: float
    """How long it may take."""

    @property
    def streamed(self) -> bool:
        """Whether it is sent record by record; HTTP/1.0 has no answers of unknown length."""
        return self.form.write_record is not None and self.request.scope["http_version"] != "1.0"

    @property
    def drawn(self) -> bool:
        """Whether the clip is decoded once more, and drawn on."""
        return Need.PICTURES in self.form.needs

    @classmethod
    def of(
        cls,
        request: Request,
        upload: Upload,
        options: Options,
        gateway: Gateway,
        clock: StageClock,
    ) -> Self:
        """Return it with the options of its form."""
        options = with_upload(options, upload, request)
        form, seconds = chosen(options, request), _seconds(options, gateway)
        return cls(request, upload, options, gateway, clock, form, seconds)


@contextmanager
def _noted(
    request: Request, options: Options, gateway: Gateway, clock: StageClock
) -> Iterator[None]:
    """Count how a request ends, and note the time that it took."""
    try:
        yield
    except RateExceeded:
        request.state.outcome = "refused"
        raise
    except ClientDisconnect:
        gateway.metrics.cancelled.labels(clock.current, "disconnect").inc()
        raise
    except DeadlineExceeded:
        cause = "deadline"
        if options.deadline and options.deadline < gateway.settings.deadline_seconds:
            cause = request.state.outcome = CLIENT_DEADLINE
        gateway.metrics.cancelled.labels(clock.current, cause).inc()
        raise
    finally:
        gateway.metrics.observe_stages(
            clock,
            backend=gateway.settings.engine,
            version=request.scope["state"].get("version", ""),
            exemplar=exemplar_of(request.scope["state"]),
        )
        request.state.stages_ms = clock.milliseconds()


async def _received(
    request: Request, options: Options, gateway: Gateway, clock: StageClock
) -> Upload:
    if not is_form(request):
        chosen(options, request)  # before the clip is sent
    with clock.stage("upload"):
        reading = gateway.uploads.receive(request)
        upload = await within(_seconds(options, gateway), reading, clock=clock, client=None)
    gateway.metrics.clip_bytes.observe(upload.size)
    return upload


def _seconds(options: Options, gateway: Gateway) -> float:
    """Return how long the request may take."""
    longest = gateway.settings.deadline_seconds
    return min(options.deadline or longest, longest)


async def _whole_answer(asked: _Asked) -> Response:
    with answer_file() as file:
        work = _write(asked, file)
        await within(asked.seconds, work, clock=asked.clock, client=asked.request)
        return response_of(file, asked.form, asked.clock, name=asked.options.file_name)


async def _stream(asked: _Asked, ending: AsyncExitStack) -> Response:
    """Return a response that has begun; `ending` is what is to be done once it ends."""
    spool = Spool()
    writer = RecordWriter(asked.form, spool, asked.clock)

    async def work() -> None:
        async with ending:
            told = _told(asked, writer)
            await within(asked.seconds, told, clock=asked.clock, client=asked.request)

    every = asked.gateway.settings.heartbeat_seconds
    stream = RecordStream(asked.request, work(), writer, spool, heartbeat_seconds=every)
    headers = partial(headers_of, asked.form, asked.clock, asked.options.file_name)
    return await stream.begin(headers, asked.form.media_type)


async def _write(asked: _Asked, file: AnswerFile) -> None:
    """Write the whole answer, in the form that was asked for."""
    async with _pipeline(asked) as pipeline:
        answer = await pipeline.understand(
            asked.upload.descriptor, asked.options, asked.clock, seconds=asked.seconds
        )
        analysed = len(answer.analysed)
        _learn(asked, answer, answer, frames=analysed, between=len(answer.frames) - analysed)
        drawings, clip = asked.gateway.drawings, asked.upload.descriptor
        with asked.clock.stage("encode"):
            name = asked.options.file_name
            await write_answer(asked.form, answer, clip, drawings, file, name=name)
        if asked.drawn:
            asked.gateway.costs.learn_drawing(answer.seconds, asked.clock.seconds["encode"])


async def _told(asked: _Asked, writer: RecordWriter) -> None:
    """Write the answer in records, as soon as each is known."""
    async with _pipeline(asked) as pipeline:
        head, tail = await pipeline.tell(
            asked.upload.descriptor,
            asked.options,
            asked.clock,
            writer.window,
            seconds=asked.seconds,
        )
        await writer.end(head, tail)
        _learn(asked, head, tail, frames=writer.analysed, between=writer.between)


@asynccontextmanager
async def _pipeline(asked: _Asked) -> AsyncIterator[Pipeline]:
    """Wait for a worker, and hold it and the weights in service for the block."""
    request, gateway = asked.request, asked.gateway
    key = key_of(request)
    cost = gateway.costs.guess(asked.upload.size, asked.options, drawn=asked.drawn)
    used = partial(gateway.allowances.use, key.name if key else "")
    async with gateway.admission.turn(asked.clock, sender=sender_of(request), cost=cost, used=used):
        generation = gateway.current
        request.state.version = generation.version
        with generation.in_use() as pipeline:
            yield pipeline


def _learn(asked: _Asked, head: Head, tail: Tail, *, frames: int, between: int) -> None:
    asked.gateway.costs.learn(
        asked.upload.size,
        asked.clock,
        length=tail.clip.duration,
        frames=frames,
        fps=head.sampled_fps,
        between=between,
    )
