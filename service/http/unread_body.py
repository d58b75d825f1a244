"""Answers given before the body of the request has been read, such as 401, 413 and 429.

If the connection were closed with bytes unread, the kernel would reset it, and the client would
often never see the answer (RFC 9112, 9.6). So a bounded rest is read, and dropped, first.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.connection import LINGER_BYTES, LINGER_SECONDS


class UnreadBodyMiddleware:
    """Reads and drops what is left of a request's body once it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; hold the end of an early answer back until the rest is read."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        unread, owed = True, False

        async def receive_and_note() -> Message:
            nonlocal unread
            message = await receive()
            unread = unread and message.get("more_body", False)
            return message

        async def send_but_the_end(message: Message) -> None:
            nonlocal owed
            if unread and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            elif unread and not message.get("more_body"):
                message, owed = {**message, "more_body": True}, True
            await send(message)

        await self._app(scope, receive_and_note, send_but_the_end)
        if owed:
            await _drop(receive)
            await send({"type": "http.response.body"})


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


async def _drop(receive: Receive) -> None:
    size = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while size < LINGER_BYTES and (message := await receive()).get("more_body"):
                size += len(message["body"])
    except TimeoutError:
        return
