"""Dependencies that routes get from the application."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.gateway import Gateway
from service.http.api_keys import Key
from service.telemetry.trace import Trace


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def key_of(request: Request) -> Key | None:
    """Return the key of the request; None if the service has no keys."""
    key: Key | None = request.scope["state"].get("key")
    return key


def trace_of(request: Request) -> Trace:
    """Return the trace of the request."""
    trace: Trace = request.scope["state"]["trace"]
    return trace


KeyDep = Annotated[Key | None, Depends(key_of)]
GatewayDep = Annotated[Gateway, Depends(_gateway)]
