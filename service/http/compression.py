"""Answers compressed as the client asks for by `Accept-Encoding`: zstd or gzip.

Every piece that the application sends is flushed, so that a record is complete for the client when
it is sent, not when the answer ends.
"""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEAST_BYTES = 1_000
"""Shorter answers are sent as they are."""
_THREAD_BYTES = 2**16
"""Larger pieces are compressed outside the event loop."""
_ZSTD_OPTIONS: dict[int, int] = {
    zstd.CompressionParameter.compression_level: 3,
    zstd.CompressionParameter.window_log: 19,  # half a megabyte of memory for every answer
}
_GZIP_LEVEL = 5
_TYPES = ("text/", "application/json", "application/x-ndjson", "application/x-subrip")
_TYPE_ENDS = ("+json", "+xml")


class Compressor(Protocol):
    """Compresses one answer, piece by piece."""

    def compress(self, piece: bytes, *, last: bool) -> bytes:
        """Return bytes from which all pieces so far can be read."""


class Zstd:
    """RFC 8878."""

    def __init__(self) -> None:
        self._inner = zstd.ZstdCompressor(options=_ZSTD_OPTIONS)

    def compress(self, piece: bytes, *, last: bool) -> bytes:
        """Return bytes from which all pieces so far can be read."""
        inner = self._inner
        return inner.compress(piece, inner.FLUSH_FRAME if last else inner.FLUSH_BLOCK)


class Gzip:
    """RFC 1952."""

    def __init__(self) -> None:
        self._inner = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)

    def compress(self, piece: bytes, *, last: bool) -> bytes:
        """Return bytes from which all pieces so far can be read."""
        flush = zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH
        return self._inner.compress(piece) + self._inner.flush(flush)


ENCODINGS: Mapping[str, Callable[[], Compressor]] = {"zstd": Zstd, "gzip": Gzip}
"""The preferred one first."""


class CompressionMiddleware:
    """Compresses answers that are text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back."""
        # HTTP/1.0 has no answers of unknown length, as a compressed one may be.
        other = scope["type"] != "http" or scope["method"] == "HEAD"
        if other or scope["http_version"] == "1.0":
            await self._app(scope, receive, send)
            return
        encoding = chosen_encoding(",".join(Headers(scope=scope).getlist("accept-encoding")))
        await self._app(scope, receive, _Answer(send, encoding).send)


def chosen_encoding(header: str) -> str | None:
    """Return the encoding that an `Accept-Encoding` header prefers; None to send it as it is."""
    grades = {}
    for entry in header.lower().split(","):
        name, _, quality = entry.partition(";")
        grades[name.strip()] = _quality(quality)
    rest = grades.get("*", 0.0)
    best = max(ENCODINGS, key=lambda name: grades.get(name, rest))  # of equal ones the first
    grade = grades.get(best, rest)
    return best if grade > 0 and grade >= grades.get("identity", 0.0) else None


def _quality(parameter: str) -> float:
    """Return the number in `q=0.5`; 1 without one, 0 if it cannot be read."""
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


class _Answer:
    """One answer on its way."""

    def __init__(self, send: Send, encoding: str | None) -> None:
        self._send = send
        self._encoding = encoding
        self._start: Message | None = None
        self._compressor: Compressor | None = None

    async def send(self, message: Message) -> None:
        """Send a part of it; headers wait for the first piece, which decides."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        piece, last = message.get("body", b""), not message.get("more_body", False)
        if self._start is not None:
            start, self._start = self._start, None
            self._decide(start, piece, last=last)
            piece = await self._compressed(piece, last=last)
            if last and self._compressor is not None:
                MutableHeaders(scope=start)["Content-Length"] = str(len(piece))
            await self._send(start)
        else:
            piece = await self._compressed(piece, last=last)
        await self._send({**message, "body": piece})

    def _decide(self, start: Message, piece: bytes, *, last: bool) -> None:
        """Choose whether to compress, and tell so in the headers."""
        headers = MutableHeaders(scope=start)
        kind = headers.get("content-type", "").partition(";")[0].strip()
        text = kind.startswith(_TYPES) or kind.endswith(_TYPE_ENDS)
        if not text or "content-encoding" in headers or start["status"] in (204, 206, 304):
            return
        headers.add_vary_header("Accept-Encoding")
        if self._encoding is None or (last and len(piece) < _LEAST_BYTES):
            return
        self._compressor = ENCODINGS[self._encoding]()
        headers["Content-Encoding"] = self._encoding
        del headers["Content-Length"]

    async def _compressed(self, piece: bytes, *, last: bool) -> bytes:
        compressor = self._compressor
        if compressor is None or not (piece or last):
            return piece
        if len(piece) < _THREAD_BYTES:
            return compressor.compress(piece, last=last)
        return await asyncio.to_thread(compressor.compress, piece, last=last)
