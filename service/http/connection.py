"""Connections: uvicorn's, with the limits that hold before there is a request.

uvicorn's parser of choice sets none. (h11 limits header bytes, but a megabyte of chunks of one byte
each keeps it, and so the event loop, busy for more than a second; httptools for a tenth of one.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import httptools
from structlog.typing import FilteringBoundLogger
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from service.http.cross_origin import readable_by
from service.http.problems import answer_to
from service.settings import Settings
from service.telemetry.metrics import Metrics
from ssuformer.errors import (
    HeadersTooLarge,
    RequestMalformed,
    SsuError,
    TooManyConnections,
    TooSlow,
)

LINGER_BYTES = 8 * 2**20
LINGER_SECONDS = 2.0
"""How much of a refused request is read, so that the client comes to read the answer."""

_SLICE, _HEAD_SLICE = 16_384, 1_024
"""Bytes that are parsed at once: of a body, and where requests may be as short as 18 bytes."""
_MOST_LATER = 2**20
_STILL_THERE_SECONDS = 1.0
_STILL_THERE = b"HTTP/1.1 102 Processing\r\n\r\n"


class Connections:
    """The connections of a server: how many there may be, in all and from one client."""

    def __init__(
        self, settings: Settings, metrics: Metrics, log: FilteringBoundLogger, *, port: str
    ) -> None:
        self.settings = settings
        self._open: dict[LimitedProtocol, str] = {}
        self._metrics = metrics
        self._log = log
        self._port = port

    def __call__(self, **parts: Any) -> LimitedProtocol:  # noqa: ANN401
        """Return a new connection, as uvicorn asks for it."""
        return LimitedProtocol(self, **parts)

    def enter(self, one: LimitedProtocol, client: str) -> None:
        """Take a connection in; raise TooManyConnections if it has to be refused."""
        limit = self.settings.connections
        if len(self._open) >= limit and not self._make_room(client):
            raise TooManyConnections(f"{limit} connections are open", limit=limit)
        wrong = self._too_many_of(client)
        self._open[one] = client
        self._metrics.connections.labels(self._port).set(len(self._open))
        if wrong:
            raise wrong

    def _too_many_of(self, client: str) -> TooManyConnections | None:
        """Return why a client may have no further connection, or None."""
        limit = self.settings.client_connections
        held = sum(known == client and not one.refused for one, known in self._open.items())
        if held < limit:
            return None
        return TooManyConnections(f"{limit} connections from one client are open", limit=limit)

    def __contains__(self, one: LimitedProtocol) -> bool:
        return one in self._open

    def leave(self, one: LimitedProtocol) -> None:
        """Forget a connection."""
        self._open.pop(one, None)
        self._metrics.connections.labels(self._port).set(len(self._open))

    def note(self, error: SsuError, client: str) -> None:
        """Count and log a connection that is refused."""
        self._metrics.connections_refused.labels(self._port, error.code).inc()
        self._log.info("connection_refused", port=self._port, code=error.code, client=client)

    def _make_room(self, client: str) -> bool:
        """Close a connection without a request, if there is one: refused ones, then the oldest.

        For a client that has as many as it may, only one of its own.
        """
        own = self._too_many_of(client) is not None
        waiting = [
            one
            for one, known in self._open.items()
            if not one.in_request and (known == client or not own)
        ]
        if not waiting:
            return False
        idle = next((one for one in waiting if one.refused), waiting[0])
        self.note(TooManyConnections("idle"), self._open[idle])
        self.leave(idle)
        idle.transport.abort()
        return True


class LimitedProtocol(HttpToolsProtocol):
    """One connection: refused, with a problem, at the first limit that it exceeds."""

    def __init__(self, connections: Connections, **parts: Any) -> None:  # noqa: ANN401
        super().__init__(**parts)
        self._connections = connections
        self._settings = connections.settings
        self._peer = ""
        self._timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None
        self._outside_body = 0
        """Bytes since the last piece of a body, or since the end of headers or request."""
        self._in_head = True
        """Whether headers come next, or have begun."""
        self._later = b""
        """What has come behind a request that waits for the one before it."""
        self._running: RequestResponseCycle | None = None
        """The request in work; `cycle` is the last that has come, which may wait for it."""
        self._requests = 0
        self._to_drop: int | None = None
        """Bytes that are still read from a refused connection; None if it is not refused."""

    @property
    def in_request(self) -> bool:
        """Whether a request has come and is not answered yet."""
        running = self._running is not None and not self._running.response_complete
        return running and not self.refused

    @property
    def refused(self) -> bool:
        """Whether what comes is only read to be dropped."""
        return self._to_drop is not None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, or refuse one connection too many."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # the end of an answer may stay unread, too
        self._peer = network(self.client[0]) if self.client else ""
        try:
            self._connections.enter(self, self._peer)
        except TooManyConnections as error:
            self._refuse(error)
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and tell the request in work."""
        super().connection_lost(exc)
        self._disconnect()
        self._connections.leave(self)
        self._after(None)
        self._watch_reader(None)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _disconnect(self) -> None:
        """Let nothing more be read or written for the request in work, which is cancelled."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.waiting_for_100_continue = False
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Parse what has come, in small slices, until it exceeds a limit or has to wait."""
        rest, self._later, at = self._later + data, b"", 0
        while at < len(rest) and not self.refused and not self.transport.is_closing():
            if self.pipeline:
                self._wait_with(rest[at:])
                break
            piece = rest[at : at + (_HEAD_SLICE if self._in_head else _SLICE)]
            at += len(piece)
            self._outside_body += len(piece)
            self._parse(piece)
        if self.refused:
            self._drop(len(rest) - at)
        elif not (self.in_request or self._timer or self.transport.is_closing()):
            self._expect_head()

    def _wait_with(self, rest: bytes) -> None:
        """Keep what comes behind a waiting request; parsed, it would be many times as large."""
        if len(rest) > _MOST_LATER:
            self._refuse(RequestMalformed("too much was sent before the first answer"))
        else:
            self._later = rest
            self.flow.pause_reading()
            self._ask_whether_it_is_there()

    def on_response_complete(self) -> None:
        """Go on with the next request that has come, if there is one."""
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()
        elif self._later:
            self.loop.call_soon(self.data_received, b"")

    def _parse(self, piece: bytes) -> None:
        self._unset_keepalive_if_required()
        limit = self._settings.max_header_bytes
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            self._parse_without_upgrade(piece[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            known = error.__context__
            wrong = known if isinstance(known, SsuError) else None
            self._refuse(wrong or RequestMalformed("what was sent is not HTTP/1.1"))
        else:
            if self._outside_body > limit:
                self._refuse(_headers_too_large(f"over {limit} bytes", limit))

    def _parse_without_upgrade(self, rest: bytes) -> None:
        """Parse a request that wants another protocol again, as one that does not (RFC 9110)."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if method == b"CONNECT":
            self._refuse(RequestMalformed("this is not a proxy"))
            return
        head = [b"%s %s HTTP/%s" % (method, self.url, version.encode())]
        head += [b"%s: %s" % one for one in self.headers if one[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self._parse(b"\r\n".join([*head, b"", rest]))

    def on_message_begin(self) -> None:
        """Begin to read headers."""
        self._in_head = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes after the body (a trailer) is none."""
        limit = self._settings.max_headers
        if len(self.headers) >= limit:
            raise _headers_too_large(f"more than {limit}", limit)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin the request."""
        if not self.parser.should_upgrade():
            self._outside_body, self._in_head = 0, False
            self._after(None)
            super().on_headers_complete()
            self._requests += 1
            if self._requests >= self._settings.connection_requests:
                self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._outside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of the body."""
        self._outside_body, self._in_head = 0, True
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Go on if the client, its request complete, only stops sending; find out if it is gone.

        One that stops in the middle of an answer without stated length has left.
        """
        alone = not self.pipeline and not self._later and not self.cycle.chunked_encoding
        listens = self.in_request and alone and not self.cycle.more_body
        if not listens or self.scope["http_version"] == "1.0":
            return False
        self.cycle.keep_alive = False
        self._ask_whether_it_is_there()
        return True

    def _ask_whether_it_is_there(self) -> None:
        """Send an interim answer now and then: to a client that has left, that fails."""
        self._after(None)
        running = self._running
        if running is None or running.response_started or self.transport.is_closing():
            return
        if running.scope["http_version"] != "1.0":
            self.transport.write(_STILL_THERE)
        self._after(_STILL_THERE_SECONDS, self._ask_whether_it_is_there)

    def pause_writing(self) -> None:
        """Watch the client: it does not read as fast as the answer is written."""
        super().pause_writing()
        self._watch_reader(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Stop watching the client."""
        super().resume_writing()
        self._watch_reader(None)

    def _watch_reader(self, unread: int | None) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
        if unread is not None:
            seconds = self._settings.transfer_seconds
            self._reader_timer = self.loop.call_later(seconds, self._judge_reader, unread)

    def _judge_reader(self, before: int) -> None:
        """Leave a client that has read less than the least rate since it was last judged."""
        unread = self.transport.get_write_buffer_size()
        least = self._settings.transfer_rate * self._settings.transfer_seconds
        if unread > max(0, before - least):
            self._connections.note(TooSlow("the answer is not read"), self._peer)
            self.transport.abort()
        else:
            self._watch_reader(unread)

    def _expect_head(self) -> None:
        self._after(self._settings.header_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        seconds = self._settings.header_seconds
        if self._outside_body == 0:
            self.transport.close()
            return
        self._refuse(TooSlow(f"the headers took longer than {seconds:g} s", limit=seconds))

    def _refuse(self, error: SsuError) -> None:
        """Answer with a problem, in place of the request in work; then read a bounded rest."""
        self._connections.note(error, self._peer)
        if self._running is None or not self._running.response_started or not self.in_request:
            readable = readable_by(self._settings.cors_origins, self._origin())
            self.transport.write(_written(error, readable))
        self._disconnect()
        self._to_drop = LINGER_BYTES
        with suppress(OSError, NotImplementedError):
            self.transport.write_eof()
        self.flow.resume_reading()
        self._after(LINGER_SECONDS, self.transport.abort)
        if self not in self._connections:
            self.transport.close()

    def _origin(self) -> str | None:
        """Return the origin of the page that sends the request; None if it is not known."""
        found = (value for name, value in self.headers or () if name == b"origin")
        return next((value.decode("latin-1") for value in found), None)

    def _drop(self, size: int) -> None:
        self._to_drop = max(0, (self._to_drop or 0) - size)
        if self._to_drop == 0:
            self.transport.abort()

    def _after(self, seconds: float | None, act: Callable[[], None] = lambda: None) -> None:
        """Do this after a while, and nothing else that was to be done."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, act)


def _headers_too_large(actual: str, limit: int) -> HeadersTooLarge:
    return HeadersTooLarge(f"the headers are {actual}", limit=limit)


def _written(error: SsuError, headers: Mapping[str, str]) -> bytes:
    """Return a problem with further headers, as it goes over the wire."""
    response = answer_to(error)
    response.headers.update(headers)
    status = f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}"
    lines = [b"%s: %s" % one for one in response.raw_headers]
    return b"\r\n".join([status.encode(), *lines, b"connection: close", b"", response.body])


def network(host: str) -> str:
    """Return what counts as one client: an IPv4 address, or 64 bits of an IPv6 address."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)
