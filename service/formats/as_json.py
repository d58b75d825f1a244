"""The answer itself: one JSON document."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import IO

from pydantic import BaseModel

from service.formats.format import Format, Material
from service.understanding.schemas import Understanding


def write(material: Material, out: IO[bytes]) -> None:
    """Write the document, frame by frame, so that it is never in memory as a whole.

    Written at once, tens of megabytes would keep every other thread of the process, the event loop
    included, waiting for longer than a health check may take.
    """
    out.write(b"{")
    for number, name in enumerate(Understanding.model_fields):
        out.write(b"," if number else b"")
        out.write(json.dumps(name).encode() + b":")
        _write_value(getattr(material.answer, name), out)
    out.write(b"}")


def _write_value(value: object, out: IO[bytes]) -> None:
    if isinstance(value, BaseModel):
        out.write(value.model_dump_json().encode())
    elif isinstance(value, Sequence) and value and isinstance(value[0], BaseModel):
        for number, item in enumerate(value):
            out.write(b"," if number else b"[")
            _write_value(item, out)
        out.write(b"]")
    else:
        out.write(json.dumps(value, separators=(",", ":")).encode())


FORMAT = Format(
    summary="the answer as one document",
    media_type="application/json",
    suffix=".json",
    write=write,
    piecewise=True,
)
