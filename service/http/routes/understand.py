"""`POST /understand`: a clip in, masks and sentences out."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.requests import ClientDisconnect

from service.formats.catalogue import DEFAULT, every
from service.formats.format import Format
from service.gateway import Gateway
from service.http.deadline import within
from service.http.problems import PROBLEMS
from service.http.request_log import CLIENT_DEADLINE, exemplar_of
from service.http.routes.dependencies import GatewayDep, each_option_once, key_of, sender_of
from service.http.upload import FIELD, Upload, is_form
from service.http.written_answer import AnswerFile, chosen, response_of, with_fields, written
from service.telemetry.stages import StageClock
from service.telemetry.trace import passed_on
from service.understanding.options import Options
from service.understanding.schemas import Understanding
from ssuformer.errors import DeadlineExceeded, RateExceeded

router = APIRouter(tags=["understanding"])

_CLIP = {"type": "string", "format": "binary", "description": "The clip."}
_FIELDS = {FIELD: _CLIP, **Options.model_json_schema()["properties"]}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"type": "object", "required": [FIELD], "properties": _FIELDS}
            },
            "video/*": {"schema": _CLIP},
            "application/octet-stream": {"schema": _CLIP},
        },
    }
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, in the format asked for.",
        "content": {one.media_type: _BINARY for one in every() if one.name != DEFAULT},
    }
}


@router.post(
    "/understand",
    dependencies=[Depends(each_option_once)],
    response_model=Understanding,
    responses={**_ANSWERS, **PROBLEMS},
    openapi_extra=_BODY,
    summary="Find and describe the sound sources in every second of a clip",
)
async def understand(
    request: Request, options: Annotated[Options, Query()], gateway: GatewayDep
) -> Response:
    """Take a clip as multipart field `file` or as the raw body, and return the answer.

    In a multipart form, options may be fields as well as parameters of the query.
    """
    clock = StageClock()
    try:
        gateway.current.admit(captions=options.captions)
        gateway.admission.check(sender_of(request))
        if key := key_of(request):
            gateway.allowances.take(key)
        with passed_on(request.headers.get("traceparent")):
            return await _answer(request, options, gateway, clock)
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


async def _answer(
    request: Request, options: Options, gateway: Gateway, clock: StageClock
) -> Response:
    if not is_form(request):
        chosen(options, request)  # before the clip is sent
    with clock.stage("upload"):
        reading = gateway.uploads.receive(request)
        upload = await within(_seconds(options, gateway), reading, clock=clock, client=None)
    gateway.metrics.clip_bytes.observe(upload.size)
    async with gateway.uploads.closing(upload):
        options = with_fields(options, upload.fields, request)
        form, seconds = chosen(options, request), _seconds(options, gateway)
        work = _understand(request, upload, options, gateway, clock, form=form, seconds=seconds)
        file = await within(seconds, work, clock=clock, client=request)
    return response_of(file, form, {"Server-Timing": clock.server_timing()})


def _seconds(options: Options, gateway: Gateway) -> float:
    """Return how long the request may take."""
    longest = gateway.settings.deadline_seconds
    return min(options.deadline or longest, longest)


async def _understand(
    request: Request,
    upload: Upload,
    options: Options,
    gateway: Gateway,
    clock: StageClock,
    *,
    form: Format,
    seconds: float,
) -> AnswerFile:
    key, cost = key_of(request), gateway.costs.guess(upload.size, options)
    used = partial(gateway.allowances.use, key.name if key else "")
    async with gateway.admission.turn(clock, sender=sender_of(request), cost=cost, used=used):
        generation = gateway.current
        request.state.version = generation.version
        with generation.in_use() as pipeline:
            understanding = await pipeline.understand(
                upload.descriptor, options, clock, seconds=seconds
            )
        gateway.costs.learn(upload.size, understanding, clock)
        with clock.stage("encode"):
            return await written(form, understanding, upload.descriptor, gateway.drawings)
