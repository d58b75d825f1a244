"""The bodies of requests, multipart or raw, read into unnamed files within limits."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO
from urllib.parse import unquote_to_bytes

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.http.threads import in_thread
from service.settings import Settings
from service.telemetry.metrics import Metrics
from ssuformer.errors import (
    ClipEmpty,
    ClipTooLarge,
    ClipUnsupported,
    OptionError,
    Overloaded,
    StorageFull,
    TooSlow,
)

FIELD = "file"
_MULTIPART_OVERHEAD = 65_536
_MOST_FIELDS, _LONGEST_FIELD = 32, 1024
"""How many options a form may hold, and how many bytes each."""
_WRITE_SIZE = 2**20
_RETRY_SECONDS = 10.0
_EXTENDED_NAME = re.compile(rb";\s*filename\*=utf-8'[^']*'([^;\s]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded clip in an unnamed temporary file."""

    file: IO[bytes]
    size: int
    held: int
    """Bytes of the body that it came in."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """The form's other fields, by name."""
    name: str | None = None
    """Of the client's file, as the form states it."""

    @property
    def descriptor(self) -> int:
        """The file descriptor."""
        return self.file.fileno()


class _ClipForm(MultiPartParser):
    """Reads a form whose clip may have no file name, or one in the form of RFC 5987 only."""

    field = FIELD

    def on_headers_finished(self) -> None:
        """Take the part of the clip for a file."""
        disposition = self._current_part.content_disposition or b""
        _, parameters = parse_options_header(disposition)
        if parameters.get(b"name") == self.field.encode() and b"filename" not in parameters:
            found = _EXTENDED_NAME.search(disposition)
            name = b"" if found is None else unquote_to_bytes(found[1])
            name = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            self._current_part.content_disposition = disposition + b'; filename="%s"' % name
        super().on_headers_finished()


class Uploads:
    """All uploads: how many at once, how fast at least, and how much disk they may fill."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._receiving = 0
        self._held = 0
        metrics.uploads.set_function(lambda: self._receiving)
        metrics.upload_bytes.set_function(lambda: self._held)
        metrics.storage_free.set_function(_free_bytes)

    @property
    def storage_full(self) -> bool:
        """Whether the disk, without what it holds for clients, has no room for a clip."""
        return _free_bytes() + self._held < self._settings.max_bytes

    async def receive(
        self, request: Request, *, limit: int | None = None, field: str = FIELD
    ) -> Upload:
        """Read a body; raise as soon as it exceeds a limit. Close the upload with `closing`.

        Without a `limit` of its own, a clip may have as many bytes as the settings say. In a form
        it is in the field of this name.
        """
        limit = limit or self._settings.max_bytes
        _check_encoding(request)
        multipart = is_form(request)
        allowed = limit + (_MULTIPART_OVERHEAD if multipart else 0)
        stated = request.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > allowed:
            raise _too_large(int(stated), limit)
        body = _Body(self._settings, allowed, limit)
        with self._place(), self._held_by(body), storing():
            pieces = self._held_pieces(body, request)
            fields: Mapping[str, str] = {}
            name: str | None = None
            if multipart:
                file, fields, name = await _read_form(request, pieces, field)
            else:
                file = await _read_raw(pieces)
            size = os.fstat(file.fileno()).st_size
            if 0 < size <= limit:
                return Upload(file, size, body.held, fields, name)
            file.close()
            raise ClipEmpty("the request contains no clip") if not size else _too_large(size, limit)

    @asynccontextmanager
    async def closing(self, upload: Upload) -> AsyncIterator[Upload]:
        """Close the file of an upload at the end."""
        try:
            yield upload
        finally:
            self._held -= upload.held
            await asyncio.to_thread(upload.file.close)

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Count as an upload; raise Overloaded if there are too many."""
        limit = self._settings.uploads
        if self._receiving >= limit:
            raise self._overloaded("uploads", f"{limit} clips are being received", limit)
        self._receiving += 1
        try:
            yield
        finally:
            self._receiving -= 1

    async def _held_pieces(self, body: _Body, request: Request) -> AsyncGenerator[bytes, None]:
        limit = self._settings.upload_disk
        async for piece in body.pieces(request):
            if self._held + len(piece) > limit:
                message = f"clips of {limit} bytes in all are being held"
                raise self._overloaded("upload_disk", message, limit)
            self._held += len(piece)
            body.held += len(piece)
            yield piece

    @contextmanager
    def _held_by(self, body: _Body) -> Iterator[None]:
        """Release what is held for a body that cannot be read to its end."""
        try:
            yield
        except BaseException:
            self._held -= body.held
            raise

    def _overloaded(self, reason: str, message: str, limit: int) -> Overloaded:
        self._metrics.admission_rejected.labels(reason).inc()
        error = Overloaded(f"{message}; try again later", limit=limit)
        error.retry_after = self._settings.transfer_seconds
        return error


class _Body:
    """The body of one request, as long as it is short and fast enough."""

    def __init__(self, settings: Settings, allowed: int, limit: int) -> None:
        self._settings = settings
        self._allowed = allowed
        self._limit = limit
        self.held = 0

    async def pieces(self, request: Request) -> AsyncIterator[bytes]:
        """Yield the pieces as they come; raise ClipTooLarge or TooSlow."""
        rate, longest = self._settings.transfer_rate, self._settings.transfer_seconds
        stream, patience, size = request.stream(), longest, 0
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(patience):
                    piece = await anext(stream, None)
            except TimeoutError as error:
                raise TooSlow(
                    f"the clip comes too slowly: less than {rate:g} bytes a second, {longest:g} s"
                    " behind",
                    limit=rate,
                ) from error
            if piece is None:
                return
            waited = time.monotonic() - began
            patience = max(0.0, min(longest, patience - waited + len(piece) / rate))
            size += len(piece)
            if size > self._allowed:
                raise _too_large(size, self._limit)
            yield piece


async def _read_raw(body: AsyncGenerator[bytes, None]) -> IO[bytes]:
    file: IO[bytes] = tempfile.TemporaryFile(buffering=_WRITE_SIZE)  # noqa: SIM115
    with _closed_on_error(file):
        unwritten = 0
        async for piece in body:
            unwritten += len(piece)
            if unwritten < _WRITE_SIZE:
                file.write(piece)  # stays in the buffer
            else:
                await in_thread(partial(_write_through, file, piece))
                unwritten = 0
        await in_thread(file.flush)
    return file


def _write_through(file: IO[bytes], piece: bytes) -> None:
    file.write(piece)
    file.flush()


async def _read_form(
    request: Request, body: AsyncGenerator[bytes, None], field: str
) -> tuple[IO[bytes], Mapping[str, str], str | None]:
    try:
        parser = _ClipForm(
            request.headers,
            body,
            max_files=1,
            max_fields=_MOST_FIELDS,
            max_part_size=_LONGEST_FIELD,
        )
        parser.field = field
        form = await parser.parse()
    except MultiPartException as error:
        raise OptionError(f"the multipart body cannot be read: {error.message}") from error
    except ValueError as error:  # names that cannot be decoded, in a charset of the client's choice
        raise OptionError(f"the multipart body cannot be read: {error}") from error
    found = form.get(field)
    if not isinstance(found, UploadFile):
        more = "; `url` goes in the query of a job, without a body" if "url" in form else ""
        await form.close()
        raise OptionError(f"the multipart body has no file in a field named `{field}`{more}")
    with _closed_on_error(found.file):
        await in_thread(partial(_onto_disk, found.file))
        return found.file, _fields(form), found.filename or None


def _fields(form: FormData) -> dict[str, str]:
    """Return the fields that are texts; OptionError for one that is given twice."""
    texts = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    fields = dict(texts)
    if len(fields) < len(texts):
        raise OptionError("the form has an option more than once; give each option once")
    return fields


def is_form(request: Request) -> bool:
    """Return whether the body is a form, which may hold options."""
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


def _onto_disk(file: IO[bytes]) -> None:
    file.fileno()  # writes what is still in memory
    file.flush()


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


@contextmanager
def _closed_on_error(file: IO[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with suppress(OSError):  # what could not be written cannot be flushed either
            file.close()
        raise


@contextmanager
def storing() -> Iterator[None]:
    """Raise StorageFull where the operating system says that a file has no room."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        full = StorageFull("the disk for uploads is full; try again later")
        full.retry_after = _RETRY_SECONDS
        raise full from error


def _free_bytes() -> int:
    return shutil.disk_usage(tempfile.gettempdir()).free


def _too_large(actual: int, limit: int) -> ClipTooLarge:
    return ClipTooLarge(
        f"the clip has {actual} bytes or more, the limit is {limit}", limit=limit, actual=actual
    )
