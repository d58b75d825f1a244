"""JSON, XML and WebVTT documents, parsed within limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, ParseError, XMLParser

import orjson

from service.studio.readers.gathered import Gathered

_PIECE = 2**16
"""Letters of XML that are parsed at once: other threads run in between."""
_FORBIDDEN = (b"<!DOCTYPE", b"<!ENTITY")


def json_in(content: bytes, gathered: Gathered) -> Any:  # noqa: ANN401
    """Return a JSON document; ImportInvalid, with the place, if it is none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise gathered.wrong(place, "it is no JSON") from error


def member(thing: Any, name: str, kind: type, gathered: Gathered, place: str) -> Any:  # noqa: ANN401
    """Return a member of an object, if it is of this kind; ImportInvalid if not."""
    found = thing.get(name) if isinstance(thing, dict) else None
    wanted = (int, float) if kind is float else kind
    if not isinstance(found, wanted) or (isinstance(found, bool) and kind is not bool):
        raise gathered.wrong(place, f"`{name}` is missing, or no {kind.__name__}")
    return found


def members(thing: Any, name: str, gathered: Gathered, place: str) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Yield the items of a list in an object, each with its place."""
    for number, one in enumerate(member(thing, name, list, gathered, place)):
        yield f"{name}[{number}]", one


def xml_in(content: bytes, gathered: Gathered) -> Element:
    """Return the root of an XML document in UTF-8; ImportInvalid if it is none, or has a DTD."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise gathered.wrong(f"byte {error.start}", "it is no UTF-8") from error
    if any(word in content.upper() for word in _FORBIDDEN):
        raise gathered.wrong("its head", "documents with a DTD are not read")
    if text.startswith("<?xml"):
        text = text.partition("?>")[2]
    parser = XMLParser()
    try:
        for at in range(0, len(text), _PIECE):
            parser.feed(text[at : at + _PIECE])
        root: Element = parser.close()
        return root
    except ParseError as error:
        line, column = error.position
        raise gathered.wrong(f"line {line}, column {column}", "it is no XML") from error


class Cue(NamedTuple):
    """A cue of WebVTT."""

    identity: str
    start: float
    end: float
    text: str
    place: str


def cues_in(content: bytes, gathered: Gathered) -> Iterator[Cue]:
    """Yield the cues of a WebVTT document; ImportInvalid, with the line, if it is none."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise gathered.wrong(f"byte {error.start}", "it is no UTF-8") from error
    if not lines or not lines[0].startswith("WEBVTT"):
        raise gathered.wrong("line 1", "it does not begin with WEBVTT")
    number = 1
    while number < len(lines):
        if "-->" not in lines[number]:
            number += 1
            continue
        place, before = f"line {number + 1}", lines[number - 1].strip()
        start, end = _times(lines[number], gathered, place)
        text: list[str] = []
        number += 1
        while number < len(lines) and lines[number].strip():
            text.append(lines[number])
            number += 1
        yield Cue(before, start, end, "\n".join(text), place)


def _times(line: str, gathered: Gathered, place: str) -> tuple[float, float]:
    first, _, rest = line.partition("-->")
    words = rest.split()
    if not words:
        raise gathered.wrong(place, "the cue has no end")
    return _seconds(first.strip(), gathered, place), _seconds(words[0], gathered, place)


def _seconds(text: str, gathered: Gathered, place: str) -> float:
    parts = text.replace(",", ".").split(":")
    try:
        if not 2 <= len(parts) <= 3 or len(text) > 20:
            raise ValueError(text)
        seconds = 0.0
        for part in parts:
            seconds = 60 * seconds + float(part)
    except ValueError as error:
        raise gathered.wrong(place, f"{text[:20]!r} is no time of a cue") from error
    return seconds
