"""Per request: request ID, log line and metrics."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from service.http.problems import CLIENT_CLOSED_REQUEST, FAILED, accident
from service.telemetry.metrics import Metrics
from service.telemetry.trace import trace_id

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

    def __init__(self, app: ASGIApp, *, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and record its result."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, number, started = time.perf_counter(), uuid.uuid4().hex, False
        state = scope.setdefault("state", {})
        state["request_id"] = number
        state["trace_id"] = trace_id(Headers(scope=scope).get("traceparent")) or number
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status, started
            if message["type"] == "http.response.start":
                status, started = message["status"], True
                message["headers"] = [
                    *message.get("headers", []),
                    (REQUEST_ID.encode(), number.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            self._log.exception("crash", request_id=number)
            if started:
                raise
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
        if scope["method"] == "POST" and status not in (401, 404):
            self._metrics.key_clips.labels(key, result).inc()
        write = self._log.debug if route in _QUIET_ROUTES else self._log.info
        write(
            "request",
            request_id=state["request_id"],
            trace_id=state["trace_id"],
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
