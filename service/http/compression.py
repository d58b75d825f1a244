"""Answers compressed as the client asks for by `Accept-Encoding`: zstd or gzip.

Every piece that the application sends is flushed, so that a record is complete for the client when
it is sent, not when the answer ends. Starlette does so for gzip; zstd is added here.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from typing import Literal

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Receive, Scope, Send

from service.formats.catalogue import every

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
_PACKED = (
    *("audio/*", "image/*", "video/*"),
    *(one.media_type for one in every() if one.media_type.endswith(("zip", "npz"))),
)
"""Types that gain nothing."""


class ZstdResponder(IdentityResponder):
    """Compresses one answer by RFC 8878, as Starlette's `GZipResponder` does by gzip."""

    content_encoding = "zstd"
    _compressor: zstd.ZstdCompressor | None = None

    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        """Return bytes from which all of the answer so far can be read."""
        if self._compressor is None:
            self._compressor = zstd.ZstdCompressor(options=_ZSTD_OPTIONS)
        one = self._compressor
        mode: Literal[1, 2] = one.FLUSH_BLOCK if more_body else one.FLUSH_FRAME
        if len(body) < _THREAD_BYTES:
            return one.compress(body, mode)
        return await asyncio.to_thread(one.compress, body, mode)


def _gzip(app: ASGIApp) -> ASGIApp:
    return GZipResponder(
        app,
        _LEAST_BYTES,
        _GZIP_LEVEL,
        thread_minimum_size=_THREAD_BYTES,
        exclude_content_types=_PACKED,
    )


_RESPONDERS: Mapping[str, Callable[[ASGIApp], ASGIApp]] = {
    "zstd": lambda app: ZstdResponder(app, _LEAST_BYTES, exclude_content_types=_PACKED),
    "gzip": _gzip,
}
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
        responder: ASGIApp = IdentityResponder(
            self._app, _LEAST_BYTES, exclude_content_types=_PACKED
        )
        if encoding is not None:
            responder = _RESPONDERS[encoding](self._app)
        await responder(scope, receive, send)


def chosen_encoding(header: str) -> str | None:
    """Return the encoding that an `Accept-Encoding` header prefers; None to send it as it is."""
    grades = {}
    for entry in header.lower().split(","):
        name, _, quality = entry.partition(";")
        grades[name.strip()] = _quality(quality)
    rest = grades.get("*", 0.0)
    best = max(_RESPONDERS, key=lambda name: grades.get(name, rest))  # of equal ones the first
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
