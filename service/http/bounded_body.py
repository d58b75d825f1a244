"""Routes whose body, if they declare one, is read within a limit, and validated in a thread."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.types import Message

from ssuformer.errors import BodyTooLarge, OptionError

MOST_BODY = 32 * 2**20
"""Bytes of a body that is parsed; files are received by `uploads`, with limits of their own."""
MOST_VALUES = 200_000
"""Commas of a body: one of as many bytes that is all small values would hold the event loop up."""
_MOST_MISTAKES = 100
"""That are told of: each takes far longer to tell of than to find."""


class BoundedRoute(APIRoute):
    """A route that answers 413 `body_too_large` to a body that it would have to parse whole."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        validate = TypeAdapter[Any](self.body_field.field_info.annotation or Any).validate_python

        async def bounded(request: Request) -> Response:
            body = await _body(request)
            read = _Read(request.scope, _again(body, request))
            read.content = await asyncio.to_thread(_validated, body, validate)
            return await handle(read)

        return bounded


class _Read(Request):
    """A request whose body has been validated: FastAPI takes a model of its type as it is."""

    content: Any = None
    """None if the body is no JSON."""

    async def json(self) -> Any:  # noqa: ANN401
        return await super().json() if self.content is None else self.content


def _validated(body: bytes, validate: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    """Return a body as its model, or as it is parsed if it has mistakes, which are told of later.

    Raises OptionError if those are too many; returns None for what is no JSON.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    try:
        return validate(content)
    except ValidationError as error:
        if (count := error.error_count()) > _MOST_MISTAKES:
            raise OptionError(
                f"the body has {count} mistakes; {_MOST_MISTAKES} would be told of",
                limit=_MOST_MISTAKES, actual=count,
            ) from error  # fmt: skip
        return content


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
