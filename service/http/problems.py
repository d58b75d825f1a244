"""RFC 9457 problems: errors as the client sees them, and the table of HTTP status codes."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.understanding.schemas import Problem
from ssuformer import errors

CONTENT = "application/problem+json"
"""The media type of a problem."""

CLIENT_CLOSED_REQUEST = 499
"""Not read by the client, which has disconnected. It is for the log and the metrics."""

FAILED = "failed"
"""The outcome of a request that the service failed, whatever its status."""

_RETRY_AFTER_SECONDS = 2.0
"""Retry-After of a 503 whose error sets none; shorter for a model that is down."""

STATUS: Mapping[type[errors.SsuError], int] = {
    errors.SsuError: 500,
    errors.ClipError: 422,
    errors.ClipEmpty: 400,
    errors.ClipUnreadable: 422,
    errors.ClipUnsupported: 415,
    errors.ClipEncrypted: 415,
    errors.ClipHasNoVideo: 422,
    errors.ClipTruncated: 422,
    errors.ClipTooLarge: 413,
    errors.OptionError: 422,
    errors.NotAcceptable: 406,
    errors.UrlRefused: 422,
    errors.DecodeTimeout: 422,
    errors.DecodeFailed: 422,
    errors.EngineError: 502,
    errors.EngineUnavailable: 503,
    errors.EngineMismatch: 503,
    errors.DeadlineExceeded: 504,
    errors.RequestError: 400,
    errors.RequestMalformed: 400,
    errors.HeadersTooLarge: 431,
    errors.TooSlow: 408,
    errors.Overloaded: 429,
    errors.TooManyConnections: 429,
    errors.TooManyJobs: 429,
    errors.RateExceeded: 429,
    errors.StorageFull: 507,
    errors.KeyRefused: 401,
    errors.JobError: 500,
    errors.JobNotFound: 404,
    errors.JobUnfinished: 409,
    errors.JobGivenUp: 500,
    errors.JobsUnavailable: 503,
    errors.IdempotencyKeyReused: 422,
    errors.InputUnreachable: 422,
    errors.InputRefused: 422,
    errors.StudioError: 500,
    errors.StudioNotFound: 404,
    errors.StudioForbidden: 403,
    errors.StudioFull: 409,
    errors.ClipNotReady: 409,
    errors.LayerExists: 409,
    errors.RevisionConflict: 409,
    errors.BodyTooLarge: 413,
    errors.EditInvalid: 422,
    errors.ImportInvalid: 422,
    errors.ToolTimeout: 504,
    errors.ToolFailed: 500,
    errors.AnswerIncomplete: 500,
    errors.ConfigError: 500,
    errors.ParityError: 500,
}


def title_of(status: int) -> str:
    """Return the name of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    limit: float | str | None = None,
    actual: float | str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """Return a problem as a response."""
    body = Problem(
        title=title_of(status),
        status=status,
        code=code,
        detail=detail,
        limit=limit,
        actual=actual,
        **more,  # type: ignore[arg-type]
    )
    return JSONResponse(
        body.model_dump(exclude_none=True),
        status_code=status,
        headers=headers,
        media_type=CONTENT,
    )


def add_problem_handlers(app: FastAPI) -> None:
    """Make the application answer every error with a problem."""
    app.add_exception_handler(errors.SsuError, _on_deliberate)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)


def answer_to(error: errors.SsuError) -> Response:
    """Return the problem response for an error."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    headers = {}
    after = error.retry_after or (_RETRY_AFTER_SECONDS if status == 503 else None)
    if after is not None:
        headers["Retry-After"] = str(max(1, round(after)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return problem(
        status, error.code, error.message, limit=error.limit, actual=error.actual, headers=headers
    )


def problem_body(error: errors.SsuError) -> dict[str, Any]:
    """Return the problem for an error, for an answer that has begun."""
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    body = Problem(
        title=title_of(status),
        status=status,
        code=error.code,
        detail=error.message,
        limit=error.limit,
        actual=error.actual,
    )
    return body.model_dump(exclude_none=True)


async def problem_for(request: Request, error: Exception) -> Response:
    """Return the problem that answers any error, and note its code for the log."""
    if isinstance(error, errors.SsuError):
        return await _on_deliberate(request, error)
    if isinstance(error, ClientDisconnect):
        return await _on_disconnect(request, error)
    return accident(request.scope["state"])


async def _on_deliberate(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.SsuError):
        raise error
    request.state.code = error.code
    if isinstance(error, errors.DecodeFailed):
        # The clip may be odd, but it is our process that died.
        request.state.outcome = FAILED
    return answer_to(error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    wrong = [
        {
            "option": ".".join(str(part) for part in item["loc"][1:]),
            "message": errors.reason_of(item["msg"]),
        }
        for item in found
    ]
    request.state.code = errors.OptionError.code
    detail = "; ".join(": ".join(filter(None, item.values())) for item in wrong)
    return problem(STATUS[errors.OptionError], errors.OptionError.code, detail, errors=wrong)


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = title_of(error.status_code).lower().replace(" ", "_")
    request.state.code = code
    return problem(error.status_code, code, str(error.detail), headers=error.headers)


async def _on_disconnect(request: Request, error: Exception) -> Response:
    request.state.code = "client_closed_request"
    return problem(CLIENT_CLOSED_REQUEST, "client_closed_request", str(error) or "the client left")


def accident(state: MutableMapping[str, Any]) -> Response:
    """Return the problem for an error that nobody raised on purpose; note its code for the log."""
    state["code"] = errors.SsuError.code
    return problem(500, errors.SsuError.code, "internal error; see the log for this request ID")
