"""The answer line by line: each record of `records.py` is a line of JSON."""

from __future__ import annotations

from typing import IO

from service.formats.format import Format, Material
from service.formats.records import Record, records_of


def write_record(record: Record) -> bytes:
    """Return the line of a record."""
    return record.json + b"\n"


def write(material: Material, out: IO[bytes]) -> None:
    """Write the lines, one by one."""
    for record in records_of(material.answer):
        out.write(write_record(record))


FORMAT = Format(
    summary="a line of JSON for each window of frames, sent as soon as it is ready",
    media_type="application/x-ndjson",
    suffix=".ndjson",
    write=write,
    piecewise=True,
    write_record=write_record,
)
