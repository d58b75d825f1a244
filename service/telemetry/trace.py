"""The W3C trace context that a request came with, for the services that are asked on its behalf."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_HEADER = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)


@contextmanager
def passed_on(traceparent: str | None) -> Iterator[None]:
    """Pass a request's `traceparent` on to what is asked inside; one that is malformed is not."""
    known = traceparent is not None and _HEADER.fullmatch(traceparent)
    token = _traceparent.set(traceparent if known else None)
    try:
        yield
    finally:
        _traceparent.reset(token)


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace that a `traceparent` names, None if there is none or it is malformed."""
    found = _HEADER.fullmatch(traceparent or "")
    return found and found[1]


def trace_headers() -> dict[str, str]:
    """Return the headers that make a call of ours part of the request's trace."""
    value = _traceparent.get()
    return {} if value is None else {"traceparent": value}
