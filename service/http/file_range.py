"""Files sent as they are, or a range of them (RFC 9110, 14)."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack
from typing import IO, Any

from fastapi import Request, Response
from fastapi.concurrency import contextmanager_in_threadpool
from fastapi.responses import StreamingResponse

from service.jobs.files import FilesGone
from ssuformer.errors import StudioNotFound

_PIECE = 2**18
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def binary(*media_types: str) -> dict[str, Any]:
    """Return what a route says about a file that it sends, in one of these types."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {
        "description": "The file, or a range of it.",
        "content": dict.fromkeys(("application/octet-stream", *media_types), schema),
    }


async def file_response(
    opened: AbstractContextManager[IO[bytes]],
    request: Request,
    *,
    media_type: str,
    headers: Mapping[str, str],
) -> Response:
    """Return a response that sends a file, and closes it; StudioNotFound if it is gone."""
    async with AsyncExitStack() as stack:
        try:
            file = await stack.enter_async_context(contextmanager_in_threadpool(opened))
        except FilesGone as error:
            raise StudioNotFound("the clip has been deleted") from error
        size = os.fstat(file.fileno()).st_size
        asked = request.headers.get("range")
        found = None if asked is None else _range(asked, size)
        sent = {**headers, "Accept-Ranges": "bytes"}
        if found == (0, 0):
            sent["Content-Range"] = f"bytes */{size}"
            return Response(status_code=416, headers=sent)
        begin, end = found or (0, size)
        sent["Content-Length"] = str(end - begin)
        if found is not None:
            sent["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        pieces = _pieces(file.fileno(), begin, end, stack.pop_all())
        status = 200 if found is None else 206
        return StreamingResponse(pieces, status_code=status, media_type=media_type, headers=sent)


def _range(asked: str, size: int) -> tuple[int, int] | None:
    """Return where a range begins and ends; None if there is none, zeros if it is not in the file.

    Several ranges, and units other than bytes, are answered by the whole file.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found[0] == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        begin, end = max(0, size - int(last)), size
    else:
        begin, end = int(first), min(size, int(last) + 1) if last else size
    return (begin, end) if begin < end else (0, 0)


async def _pieces(file: int, begin: int, end: int, ending: AsyncExitStack) -> AsyncIterator[bytes]:
    async with ending:
        while begin < end:
            piece = await asyncio.to_thread(os.pread, file, min(_PIECE, end - begin), begin)
            if not piece:
                return
            begin += len(piece)
            yield piece
