"""Propagation of a request's W3C trace context to downstream services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_HEADER = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


@contextmanager
def passed_on(traceparent: str | None) -> Iterator[None]:
    """Propagate a request's `traceparent` to calls inside the block; ignore a malformed one."""
    known = traceparent is not None and _HEADER.fullmatch(traceparent)
    token = _traceparent.set(traceparent if known else None)
    try:
        yield
    finally:
        _traceparent.reset(token)


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace ID of a `traceparent`; None if it is missing or malformed."""
    found = _HEADER.fullmatch(traceparent or "")
    return found and found[1]


def trace_headers() -> dict[str, str]:
    """Return the headers that add an outgoing call to the request's trace."""
    value = _traceparent.get()
    return {} if value is None else {"traceparent": value}
