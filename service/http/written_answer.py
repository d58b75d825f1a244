"""An answer in the form that a client asked for: chosen, written to a file, sent from it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import IO, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from service.formats import catalogue
from service.formats.format import Format, Material, Need
from service.http.upload import storing
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


def with_fields(options: AnyOptions, fields: Mapping[str, str], request: Request) -> AnyOptions:
    """Return the options of a query and those of a form's fields together.

    Raises OptionError for one that differs between them, RequestValidationError for an invalid one.
    """
    if not fields:
        return options
    query = dict(request.query_params)
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


async def written(form: Format, answer: Understanding, clip: int, drawings: Drawings) -> AnswerFile:
    """Return a file with the answer for an open clip, which only a sandboxed process decodes.

    Raises StorageFull if the disk has no room for it, a ClipError if the clip cannot be drawn on.
    """
    material = Material(answer, clip=clip)
    file: AnswerFile = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115
    try:
        with storing():
            if Need.PICTURES in form.needs:
                await drawings.draw(form, material, clip, file)
            else:
                await asyncio.to_thread(form.write, material, file)
    except BaseException:
        file.close()  # a thread that still writes fails at its next piece
        raise
    return file


def headers_of(form: Format, clock: StageClock) -> dict[str, str]:
    """Return the headers of an answer in some form, with the time that has been spent so far."""
    shown = "inline" if form.name == catalogue.DEFAULT else "attachment"
    return {
        "Server-Timing": clock.server_timing(),
        "Content-Disposition": f'{shown}; filename="answer{form.suffix}"',
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }


def response_of(file: AnswerFile, form: Format, clock: StageClock) -> Response:
    """Return the response that sends an answer, and closes its file."""
    size = file.tell()
    file.seek(0)
    headers = headers_of(form, clock)
    if size <= _IN_MEMORY:
        with file:
            return Response(file.read(), media_type=form.media_type, headers=headers)
    headers["Content-Length"] = str(size)
    return StreamingResponse(_pieces(file), media_type=form.media_type, headers=headers)


async def _pieces(file: AnswerFile) -> AsyncIterator[bytes]:
    with file:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
