"""An answer in the form that a client asked for: chosen, written to a file, sent from it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import IO, TypeVar
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from service.formats import catalogue
from service.formats.clip_names import ClipName, safe_name
from service.formats.format import Format, Material, Need
from service.http.threads import in_thread
from service.http.upload import Upload, storing
from service.telemetry.stages import StageClock
from service.understanding.drawing import Drawings
from service.understanding.options import Options
from service.understanding.schemas import Understanding
from ssuformer.errors import OptionError

_IN_MEMORY = 2**20
_PIECE = 2**18

AnswerFile = IO[bytes]
"""A file without name, in memory as long as it is small."""


AnyOptions = TypeVar("AnyOptions", bound=Options)


def with_upload(options: AnyOptions, upload: Upload, request: Request) -> AnyOptions:
    """Return the options of a query with those of a form's fields, and the name of its file.

    Raises OptionError for one that differs between them, RequestValidationError for an invalid one.
    """
    if upload.fields:
        options = _with_fields(options, upload, request)
    return with_name(options, upload.name)


def with_name(options: AnyOptions, name: str | None) -> AnyOptions:
    """Return options with the name of the clip's file, unless they have another one."""
    if name is None or options.file_name is not None:
        return options
    return options.model_copy(update={"file_name": safe_name(name)})


def _with_fields(options: AnyOptions, upload: Upload, request: Request) -> AnyOptions:
    query, fields = dict(request.query_params), upload.fields
    if twice := sorted(
        name for name in query.keys() & fields.keys() if query[name] != fields[name]
    ):
        raise OptionError(f"{', '.join(twice)}: one thing in the query, another in the form")
    try:
        return type(options).model_validate({**query, **fields})
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(found) from error


def chosen(options: Options, request: Request) -> Format:
    """Return the format that is asked for by name, or else by the header `Accept`.

    Raises NotAcceptable if there is none of that type, OptionError if it needs what was not
    asked for.
    """
    if options.format is not None:
        form = catalogue.named(options.format)
    else:
        form = catalogue.accepted(",".join(request.headers.getlist("accept")))
    form.check(masks=options.mask_format != "none", clip=True)
    return form


@contextmanager
def answer_file() -> Iterator[AnswerFile]:
    """Open a file for an answer; it stays open for the response if the block ends well."""
    file: AnswerFile = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
    try:
        yield file
    except BaseException:
        file.close()
        raise


async def write_answer(
    form: Format,
    answer: Understanding,
    clip: int | None,
    drawings: Drawings,
    file: AnswerFile,
    *,
    name: str | None,
) -> None:
    """Write the answer for an open clip, which only a sandboxed process decodes, to a file.

    `name` is that of the clip's file. Raises StorageFull if the disk has no room for it, a
    ClipError if the clip cannot be drawn on.
    """
    called = ClipName() if name is None else ClipName.of(name)
    material = Material(answer, called.stem, clip, suffix=called.suffix)
    with storing():
        if Need.PICTURES in form.needs and clip is not None:
            await drawings.draw(form, material, clip, file)
        else:
            # A thread whose file is closed fails at its next piece.
            await in_thread(partial(form.write, material, file), stop=file.close)


def headers_of(form: Format, clock: StageClock, name: str | None) -> dict[str, str]:
    """Return the headers of an answer in some form, with the time that has been spent so far.

    The answer's file is called after that of the clip, if its `name` is known.
    """
    return {
        "Server-Timing": clock.server_timing(),
        "Content-Disposition": _disposition(form, name),
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }


def _disposition(form: Format, name: str | None) -> str:
    """Return the header that names the answer's file, for old clients in ASCII (RFC 6266)."""
    shown = "inline" if form.name == catalogue.DEFAULT else "attachment"
    file = ("answer" if name is None else ClipName.of(name).stem) + form.suffix
    return _named(file, shown)


def _named(file: str, shown: str) -> str:
    plain = file.encode("ascii", "replace").decode().replace("?", "_")
    more = "" if plain == file else f"; filename*=UTF-8''{quote(file, safe='')}"
    return f'{shown}; filename="{plain}"{more}'


def response_of(file: AnswerFile, form: Format, clock: StageClock, *, name: str | None) -> Response:
    """Return the response that sends an answer, and closes its file."""
    size = file.tell()
    file.seek(0)
    headers = headers_of(form, clock, name)
    if size <= _IN_MEMORY:
        with file:
            return Response(file.read(), media_type=form.media_type, headers=headers)
    headers["Content-Length"] = str(size)
    return _Sent(file, form.media_type, headers)


def file_of(file: IO[bytes], name: str, *, media_type: str) -> Response:
    """Return the response that sends a file of this name, and closes it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": _named(safe_name(name) or "file", "attachment"),
        "X-Content-Type-Options": "nosniff",
    }
    return _Sent(file, media_type, headers)


class _Sent(StreamingResponse):
    """Sends a file, and closes it, also if the client has left before."""

    def __init__(self, file: AnswerFile, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(_pieces(file), media_type=media_type, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        with self._file:
            await super().__call__(scope, receive, send)


async def _pieces(file: AnswerFile) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _PIECE):
        yield piece
