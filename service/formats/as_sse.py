"""The answer as server-sent events: each record of `records.py` is an event of its kind."""

from __future__ import annotations

from typing import IO

from service.formats.format import Format, Material
from service.formats.records import Record, records_of


def write_record(record: Record) -> bytes:
    """Return the event of a record; JSON in one line needs no escaping."""
    return b"event: %s\ndata: %s\n\n" % (record.kind.encode(), record.json)


def write(material: Material, out: IO[bytes]) -> None:
    """Write the events, one by one."""
    for record in records_of(material.answer):
        out.write(write_record(record))


FORMAT = Format(
    summary="the lines of `ndjson` as server-sent events",
    media_type="text/event-stream",
    suffix=".sse",
    write=write,
    write_record=write_record,
    piecewise=True,
)
