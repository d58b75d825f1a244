"""Routes whose body, if they declare one, is read within a limit before it is parsed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from ssuformer.errors import BodyTooLarge

MOST_BODY = 32 * 2**20
"""Bytes of a body that is parsed; files are received by `uploads`, with limits of their own."""
MOST_VALUES = 200_000
"""Commas of a body: one of as many bytes that is all small values would hold the event loop up."""


class BoundedRoute(APIRoute):
    """A route that answers 413 `body_too_large` to a body that it would have to parse whole."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def bounded(request: Request) -> Response:
            return await handle(Request(request.scope, _again(await _body(request), request)))

        return bounded


async def _body(request: Request) -> bytes:
    stated, body = request.headers.get("content-length", ""), bytearray()
    if stated.isdecimal() and int(stated) > MOST_BODY:
        raise _too_large(int(stated))
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            raise _too_large(len(body))
    if (values := body.count(b",")) > MOST_VALUES:
        raise BodyTooLarge(
            f"the body has {values} commas, the limit is {MOST_VALUES}",
            limit=MOST_VALUES, actual=values,
        )  # fmt: skip
    return bytes(body)


def _again(body: bytes, request: Request) -> Callable[[], Coroutine[Any, Any, Message]]:
    """Return what gives a body that has been read once more, and then what else comes."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            return await request.receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _too_large(actual: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body has {actual} bytes or more, the limit is {MOST_BODY}",
        limit=MOST_BODY, actual=actual,
    )  # fmt: skip
