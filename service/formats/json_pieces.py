"""Write large JSON documents piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import IO, Any

import orjson


def write_object(out: IO[bytes], members: Mapping[str, Any]) -> None:
    """Write an object; what an iterator among its members yields is written one by one.

    An iterator of pairs is written as an object, any other as an array.
    """
    for number, (name, value) in enumerate(members.items()):
        out.write(b"," if number else b"{")
        out.write(orjson.dumps(name) + b":")
        if isinstance(value, Iterator):
            _write_items(out, value)
        else:
            out.write(orjson.dumps(value))
    out.write(b"}" if members else b"{}")


def _write_items(out: IO[bytes], items: Iterator[Any]) -> None:
    first = next(items, None)
    pairs = isinstance(first, tuple)
    out.write(b"{" if pairs else b"[")
    for number, item in enumerate(() if first is None else chain([first], items)):
        out.write(b",\n" if number else b"")
        if pairs:
            out.write(orjson.dumps(item[0]) + b":")
        out.write(orjson.dumps(item[1] if pairs else item))
    out.write(b"}" if pairs else b"]")
