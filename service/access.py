"""Around every request: its number, its line in the log, its place in the metrics."""

from __future__ import annotations

import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from service.metrics import Metrics
from service.problems import CLIENT_CLOSED_REQUEST

REQUEST_ID = "x-request-id"
_QUIET_ROUTES = (
    "/livez",
    "/readyz",
    "/startupz",
    "/metrics",
    "/v2/health/live",
    "/v2/health/ready",
)


class AccessMiddleware:
    """Pure ASGI, so that a handler still sees the client leave."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, number = time.perf_counter(), uuid.uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = number
        status = 500

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (REQUEST_ID.encode(), number.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            self._log.exception("crash", request_id=number)
            raise
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        state: dict[str, Any] = scope["state"]
        code, result = state.get("code"), outcome(status)
        self._metrics.requests.labels(route, str(status), result).inc()
        self._metrics.request_duration.labels(route, result).observe(seconds)
        if result == "refused" and code is not None:
            self._metrics.input_rejected.labels(code).inc()
        write = self._log.debug if route in _QUIET_ROUTES else self._log.info
        write(
            "request",
            request_id=state["request_id"],
            method=scope["method"],
            route=route,
            status=status,
            outcome=result,
            code=code,
            seconds=round(seconds, 4),
            stages_ms=state.get("stages_ms"),
        )


def outcome(status: int) -> str:
    """Return what a status code means for the one who runs the service."""
    if status == CLIENT_CLOSED_REQUEST:
        return "cancelled"
    if status == 429:
        return "overloaded"
    if status >= 500:
        return "failed"
    return "refused" if status >= 400 else "answered"
