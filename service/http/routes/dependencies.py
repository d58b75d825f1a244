"""Dependencies that routes get from the application."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from service.gateway import Gateway
from service.http.api_keys import Key
from service.http.connection import network
from service.telemetry.trace import Trace
from ssuformer.errors import OptionError


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def key_of(request: Request) -> Key | None:
    """Return the key of the request; None if the service has no keys."""
    key: Key | None = request.scope["state"].get("key")
    return key


def sender_of(request: Request) -> str:
    """Return who shares the workers fairly with others: a key, or an address without keys."""
    if key := key_of(request):
        return key.name
    return network(request.client.host) if request.client else ""


def each_option_once(request: Request) -> None:
    """Reject a query that repeats an option."""
    names = [name for name, _ in request.query_params.multi_items()]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise OptionError(f"{', '.join(repeated)}: given more than once; give each option once")


def trace_of(request: Request) -> Trace:
    """Return the trace of the request."""
    trace: Trace = request.scope["state"]["trace"]
    return trace


KeyDep = Annotated[Key | None, Depends(key_of)]
GatewayDep = Annotated[Gateway, Depends(_gateway)]
