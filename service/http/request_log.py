"""Per request: request ID, trace, log line and metrics."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars
from structlog.typing import FilteringBoundLogger

from service.http.paths import STUDIO_API
from service.http.problems import CLIENT_CLOSED_REQUEST, FAILED, accident
from service.telemetry.metrics import Metrics
from service.telemetry.places import places
from service.telemetry.trace import Trace, Traces
from ssuformer.errors import AnswerIncomplete

CLIENT_DEADLINE = "client_deadline"
"""The outcome of a request that exceeded a deadline set by its client. Its status is 504, as for
the service's own deadline."""
REQUEST_ID = "x-request-id"
_QUIET_ROUTES = (
    "/livez",
    "/readyz",
    "/startupz",
    "/v2/health/live",
    "/v2/health/ready",
)


class RequestLogMiddleware:
    """Pure ASGI, so that a handler still notices a disconnected client."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, log: FilteringBoundLogger, traces: Traces
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and record its result."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        number = uuid.uuid4().hex
        trace = self._trace(scope, number)
        state = scope.setdefault("state", {})
        state["request_id"], state["trace"], state["trace_id"] = number, trace, trace.id
        with bound_contextvars(request_id=number, trace_id=trace.id):
            await self._pass_on(scope, receive, send)

    def _trace(self, scope: Scope, number: str) -> Trace:
        headers = Headers(scope=scope)
        if scope["path"] in _QUIET_ROUTES:
            return Trace(headers.get("traceparent"), number=number)
        return self._traces.begin(headers, number=number)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status, started, state = time.perf_counter(), 500, False, scope["state"]
        trace: Trace = state["trace"]
        own = {REQUEST_ID: state["request_id"], **trace.sent_back}

        async def send_and_note(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = [
                    *message.get("headers", []),
                    *((name.encode(), value.encode()) for name, value in own.items()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception as error:
            self._log.error("crash", exception=places(error))
            if started:
                # The server ends the connection; it would write the error's message to stderr.
                raise AnswerIncomplete("the answer broke off; the log says why") from None
            # Further out, it would be an answer without the headers of all others.
            await accident(state)(scope, receive, send_and_note)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        state: dict[str, Any] = scope["state"]
        code, version = state.get("code"), state.get("version", "")
        result = state.get("outcome") or outcome(status)
        exemplar = exemplar_of(state)
        self._metrics.requests.labels(route, str(status), result, version).inc(exemplar=exemplar)
        self._metrics.request_duration.labels(route, result, version).observe(seconds, exemplar)
        if result == "refused" and code is not None:
            self._metrics.input_rejected.labels(code).inc()
        key = state["key"].name if state.get("key") else ""
        if scope["method"] == "POST" and status not in (401, 404) and not _is_call(route):
            self._metrics.key_clips.labels(key, result).inc()
        state["trace"].end(
            f"{scope['method']} {route}",
            {
                "http.request.method": scope["method"],
                "http.route": route,
                "http.response.status_code": status,
                "error.type": code,
                "ssu.outcome": result,
                "ssu.model_version": version,
            },
            failed=result == FAILED,
        )
        self._log.log(
            logging.DEBUG if route in _QUIET_ROUTES else logging.INFO,
            "request",
            version=version,
            method=scope["method"],
            route=route,
            key=key,
            status=status,
            outcome=result,
            code=code,
            seconds=round(seconds, 4),
            stages_ms=state.get("stages_ms"),
        )


def _is_call(route: str) -> bool:
    """Return whether a POST of the studio brings no clip."""
    return route.startswith(STUDIO_API) and not route.endswith("/clips")


def exemplar_of(state: Mapping[str, Any]) -> dict[str, str]:
    """Return the exemplar that links a dashboard point to the request: trace ID or request ID."""
    return {"trace_id": state["trace_id"]}


def outcome(status: int) -> str:
    """Return the outcome label of a status code.

    A route can override it by setting `outcome` in the request's state.
    """
    if status == CLIENT_CLOSED_REQUEST:
        return "cancelled"
    if status == 429:
        return "overloaded"
    if status >= 500:
        return FAILED
    return "refused" if status >= 400 else "answered"
