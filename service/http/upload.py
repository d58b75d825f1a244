"""The body of a request, multipart or raw, counted while it is read into an unnamed file."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from ssuformer.errors import ClipEmpty, ClipTooLarge, ClipUnsupported, OptionError

FIELD = "file"
_MULTIPART_OVERHEAD = 65_536
_WRITE_SIZE = 2**20


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded clip in an unnamed temporary file."""

    file: IO[bytes]
    size: int

    @property
    def descriptor(self) -> int:
        """The file descriptor."""
        return self.file.fileno()


async def receive(request: Request, *, limit: int) -> Upload:
    """Read the body; raise ClipTooLarge as soon as it exceeds the limit. Close the file after."""
    kind = request.headers.get("content-type", "")
    _check_encoding(request)
    multipart = kind.lower().startswith("multipart/form-data")
    allowed = limit + (_MULTIPART_OVERHEAD if multipart else 0)
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > allowed:
        raise _too_large(int(stated), limit)
    body = _counted(request, allowed, limit)
    file = await (_read_form(request, body) if multipart else _read_raw(body))
    size = os.fstat(file.fileno()).st_size
    if 0 < size <= limit:
        return Upload(file, size)
    file.close()
    raise ClipEmpty("the request contains no clip") if size == 0 else _too_large(size, limit)


@asynccontextmanager
async def closing(upload: Upload) -> AsyncIterator[Upload]:
    """Close the file of an upload at the end."""
    try:
        yield upload
    finally:
        await asyncio.to_thread(upload.file.close)


async def _counted(request: Request, allowed: int, limit: int) -> AsyncGenerator[bytes, None]:
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > allowed:
            raise _too_large(size, limit)
        yield piece


async def _read_raw(body: AsyncGenerator[bytes, None]) -> IO[bytes]:
    file: IO[bytes] = tempfile.TemporaryFile(buffering=_WRITE_SIZE)  # noqa: SIM115
    try:
        async for piece in body:
            file.write(piece)
        await asyncio.to_thread(file.flush)
    except BaseException:
        file.close()
        raise
    return file


async def _read_form(request: Request, body: AsyncGenerator[bytes, None]) -> IO[bytes]:
    parser = MultiPartParser(request.headers, body, max_files=1, max_fields=0)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise OptionError(f"the multipart body cannot be read: {error.message}") from error
    found = form.get(FIELD)
    if not isinstance(found, UploadFile):
        await form.close()
        raise OptionError(f"the multipart body has no file in a field named `{FIELD}`")
    found.file.flush()
    return found.file


def _check_encoding(request: Request) -> None:
    """Raise ClipUnsupported for a body that is compressed or says that it is no clip."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() not in {"", "identity"}:
        raise ClipUnsupported(
            f"the body has the content-encoding {encoding[:40]}; send the clip as it is",
            limit="identity",
            actual=encoding[:40],
        )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("text/") or kind.endswith(("/json", "+json", "/xml", "+xml")):
        raise ClipUnsupported(
            f"the body is {kind[:80]}; send the clip as `multipart/form-data` or as `video/*`",
            limit="multipart/form-data, video/*, application/octet-stream",
            actual=kind[:80],
        )


def _too_large(actual: int, limit: int) -> ClipTooLarge:
    return ClipTooLarge(
        f"the clip has {actual} bytes or more, the limit is {limit}", limit=limit, actual=actual
    )
