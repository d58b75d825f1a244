"""The parts that containers are made of: atoms, elements, chunks, pages, packets, tags.

Found by what the file says of itself, as far as that holds: of a damaged file, what comes before
the damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Order = Literal["big", "little", "ebml"]

_ATOMS_IN = frozenset(
    b"moov trak mdia minf stbl edts udta mvex moof traf mfra meta dinf ilst".split()
)
_TIMED_ATOMS = frozenset(
    b"mvhd tkhd mdhd elst stts ctts stss stsc stco stsz tfhd tfdt trun sidx mehd trex".split()
)
_ELEMENTS_IN = frozenset(
    map(
        bytes.fromhex,
        (
            *("18538067", "1F43B675", "1654AE6B", "1549A966", "1C53BB6B", "114D9B74"),
            *("AE", "E0", "E1", "A0", "BB", "B7"),
        ),
    )
)
_TIMED_ELEMENTS = frozenset(
    map(
        bytes.fromhex,
        (
            *("2AD7B1", "4489", "23E383", "23314F", "56AA", "56BB"),
            *("E7", "9B", "B3", "F1", "B5"),
        ),
    )
)
"""Times, scales, durations, positions and rates; blocks have theirs at a fixed place."""
_BLOCKS = (b"\xa3", b"\xa1")
_CHUNKS_IN = (b"RIFF", b"LIST")
_TIMED_CHUNKS = (b"avih", b"strh", b"idx1", b"dmlh")
_TS_PACKET = 188


@dataclass(frozen=True, slots=True)
class Field:
    """A number in a file: where, how many bytes, in which order."""

    at: int
    width: int
    order: Order = "big"


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a container, from `start` to `end`; parts may lie in it."""

    start: int
    end: int
    length: Field | None
    """Where it says how long it is."""
    times: tuple[Field, ...] = ()
    """Numbers in it that are times, durations, scales, counts or positions."""


def units_of(data: bytes) -> list[Unit]:
    """Return the parts of a file in the order in which they begin; none if it is of no known kind.

    A file has at most some thousand parts that matter: of longer ones, the first.
    """
    return list(_limited(_reader(data)(data, 0, len(data)), 4000))


def _reader(data: bytes) -> Callable[[bytes, int, int], Iterator[Unit]]:
    kinds = {b"\x1a\x45\xdf\xa3": _elements, b"RIFF": _chunks, b"OggS": _pages, b"FLV\x01": _tags}
    if data[:4] in kinds:
        return kinds[data[:4]]
    return _packets if data[:1] == b"G" and data[_TS_PACKET:][:1] == b"G" else _atoms


def _limited(units: Iterator[Unit], most: int) -> Iterator[Unit]:
    for unit, _ in zip(units, range(most), strict=False):
        yield unit


def _atoms(data: bytes, at: int, end: int) -> Iterator[Unit]:
    while at + 8 <= end:
        size, name = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        long = size == 1 and at + 16 <= end
        if long:
            size = int.from_bytes(data[at + 8 : at + 16])
        head = 16 if long else 8
        stop = end if size == 0 else min(end, at + size)
        if 0 < size < head:
            return
        length = Field(at + 8, 8) if long else Field(at, 4)
        yield Unit(at, stop, length, _words(at + head, stop) if name in _TIMED_ATOMS else ())
        if name in _ATOMS_IN:
            yield from _atoms(data, at + head, stop)
        at = stop


def _words(start: int, end: int, order: Order = "big") -> tuple[Field, ...]:
    return tuple(Field(at, 4, order) for at in range(start, min(end, start + 400) - 3, 4))


def _vint_width(first: int) -> int:
    """Return how many bytes a number of EBML has, by its first byte; 0 if it is none."""
    return 9 - first.bit_length() if first else 0


def _elements(data: bytes, at: int, end: int) -> Iterator[Unit]:
    while at + 2 <= end:
        wide = _vint_width(data[at])
        name = data[at : at + wide]
        sized = at + wide
        width = _vint_width(data[sized]) if wide and sized < end else 0
        if not width or sized + width > end:
            return
        size = int.from_bytes(data[sized : sized + width]) & (1 << 7 * width) - 1
        unknown = size == (1 << 7 * width) - 1
        body = sized + width
        stop = end if unknown else min(end, body + size)
        yield Unit(at, stop, Field(sized, width, "ebml"), _element_times(name, body, stop))
        if name in _ELEMENTS_IN:
            yield from _elements(data, body, stop)
        at = stop


def _element_times(name: bytes, body: int, stop: int) -> tuple[Field, ...]:
    if name in _BLOCKS and body + 4 <= stop:
        return (Field(body + 1, 2),)
    if name in _TIMED_ELEMENTS and body < stop:
        return (Field(body, min(8, stop - body)),)
    return ()


def _chunks(data: bytes, at: int, end: int) -> Iterator[Unit]:
    while at + 8 <= end:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        stop = min(end, at + 8 + size + size % 2)
        times = _words(at + 8, stop, "little") if name in _TIMED_CHUNKS else ()
        yield Unit(at, stop, Field(at + 4, 4, "little"), times)
        if name in _CHUNKS_IN:
            yield from _chunks(data, at + 12, stop)
        at = stop


def _pages(data: bytes, at: int, end: int) -> Iterator[Unit]:
    while data[at : at + 4] == b"OggS" and at + 27 <= end:
        segments = data[at + 26]
        stop = at + 27 + segments + sum(data[at + 27 : at + 27 + segments])
        times = (Field(at + 6, 8, "little"), Field(at + 18, 4, "little"))
        yield Unit(at, min(end, stop), Field(at + 26, 1), times)
        at = stop


def _tags(data: bytes, at: int, end: int) -> Iterator[Unit]:
    at += 13
    while at + 11 <= end:
        stop = at + 15 + int.from_bytes(data[at + 1 : at + 4])
        yield Unit(at, min(end, stop), Field(at + 1, 3), (Field(at + 4, 3), Field(at + 7, 1)))
        at = stop


def _packets(data: bytes, at: int, end: int) -> Iterator[Unit]:
    while at + _TS_PACKET <= end:
        yield Unit(at, at + _TS_PACKET, Field(at + 4, 1), tuple(_packet_times(data, at)))
        at += _TS_PACKET


def _packet_times(data: bytes, at: int) -> Iterator[Field]:
    """Yield the clock of a packet of a transport stream and the time stamps that begin in it."""
    if data[at + 3] & 0x20 and data[at + 4] > 6:
        yield Field(at + 6, 6)
    begins = data.find(b"\0\0\1", at + 4, at + _TS_PACKET)
    if begins >= 0 and begins + 19 <= at + _TS_PACKET and data[begins + 7] & 0x80:
        yield Field(begins + 9, 5)
        if data[begins + 7] & 0x40:
            yield Field(begins + 14, 5)
