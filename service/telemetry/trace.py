"""The trace that a request belongs to, and its W3C context for calls to other services.

These are traces without spans of the service's own, the default; `spans.py` records and exports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

_HEADER = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_passed_on: ContextVar[Mapping[str, str] | None] = ContextVar("trace_headers", default=None)


class Trace:
    """The trace of one request: its client's, which is passed on unchanged."""

    sent_back: Mapping[str, str] = {}
    """Headers of the answer."""

    def __init__(self, traceparent: str | None, *, number: str = "") -> None:
        """`number` identifies a request whose client has sent no trace, or a malformed one."""
        found = _HEADER.fullmatch(traceparent or "")
        self.id = found[1] if found else number
        """As in the log and in exemplars."""
        self.headers: Mapping[str, str] = {"traceparent": found[0]} if found else {}
        """For calls to other services."""

    def stage(self, name: str) -> AbstractContextManager[None]:  # noqa: ARG002
        """Record the block as a stage."""
        return nullcontext()

    def note(self, name: str, *, began: float, seconds: float, code: str | None = None) -> None:
        """Record what another process has done, from a time of the monotonic clock on."""

    def end(self, name: str, facts: Mapping[str, str | int | None], *, failed: bool) -> None:
        """Record the end of the request, under its final name."""


class Traces:
    """Where the traces of requests begin."""

    def begin(self, headers: Mapping[str, str], *, number: str) -> Trace:
        """Return the trace of a request with these headers and this request ID."""
        return Trace(headers.get("traceparent"), number=number)

    async def close(self, seconds: float) -> None:
        """Export what is left, in these seconds at most."""


@contextmanager
def passed_on(headers: Mapping[str, str]) -> Iterator[None]:
    """Give these headers to calls to other services inside the block."""
    token = _passed_on.set(headers)
    try:
        yield
    finally:
        _passed_on.reset(token)


def trace_headers() -> dict[str, str]:
    """Return the headers that add an outgoing call to the request's trace."""
    return dict(_passed_on.get() or {})
