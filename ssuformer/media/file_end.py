"""Tell from its bytes whether a file was cut off: whether what it states lies beyond its end."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import BinaryIO, NamedTuple

from ssuformer.media.file_parts import (
    EBML,
    Part,
    boxes,
    chunks,
    elements,
    pages,
    read_at,
    size_of,
    tags,
)

_FLV_HEAD = 13
_SYNC = 0x47
_PACKETS = {188: 0, 204: 0, 192: 4}
"""Bytes of the packets of transport streams, and where in them the sync byte is."""
_TAIL = 2**20
"""Bytes of the end of a transport stream that are looked at."""
_FIRST_PAGE, _LAST_PAGE = 0x02, 0x04
_UNSAID = 8
"""Bytes that may be missing: some writers of AVI count its head twice."""


class Cut(NamedTuple):
    """What a file lacks, in words, and how many bytes it would have at least, if that is known."""

    told: str
    needed: int | None = None


def cut_off(file: BinaryIO) -> Cut | None:
    """Return what of a file lies beyond its end; None if that is nothing, or cannot be told.

    What was cut between two parts can be told where the file states its length or marks its end:
    not in transport streams, nor in films that were written as they came.
    """
    head = read_at(file, 0, 12)
    if head[:4] == b"OggS":
        return _without_last_page(file)
    if head[4:8] == b"ftyp":
        return _beyond(file, boxes(file))
    if head[:4] == EBML:
        return _beyond(file, elements(file, 0, size_of(file)))
    if head[:3] == b"FLV":
        return _beyond(file, tags(file, _FLV_HEAD))
    if head[:4] == b"RIFF":
        return _beyond(file, chunks(file), unsaid=_UNSAID)
    return _within_packet(file)


def _beyond(file: BinaryIO, parts: Iterable[Part], *, unsaid: int = 0) -> Cut | None:
    """Return that the last part ends after the file."""
    size, last = size_of(file), deque(parts, maxlen=1)
    end = last[0].end if last else None
    if end is None or end <= size + unsaid:
        return None
    name = last[0].kind.decode("ascii") if last[0].kind.isalnum() else last[0].kind.hex()
    return Cut(f"its part `{name}` ends at byte {end}, the file has {size}", end)


def _without_last_page(file: BinaryIO) -> Cut | None:
    """Return that not every track of an Ogg has the page that is marked as its last one."""
    size, end = size_of(file), 0
    open_tracks: set[bytes] = set()
    for page in pages(file):
        flags, track, end = page.kind[0], page.kind[1:], page.end or 0
        if flags & _FIRST_PAGE:
            open_tracks.add(track)
        if flags & _LAST_PAGE:
            open_tracks.discard(track)
    if end > size:
        return Cut(f"its last page ends at byte {end}, the file has {size}", end)
    return Cut("the last page of a track is missing") if open_tracks else None


def _within_packet(file: BinaryIO) -> Cut | None:
    """Return that a transport stream ends within a packet, or within what a track says follows."""
    size = size_of(file)
    for length, sync in _PACKETS.items():
        head = read_at(file, 0, 2 * length)
        if len(head) == 2 * length and head[sync] == head[sync + length] == _SYNC:
            rest = size % length
            if rest > sync and read_at(file, size - rest + sync, 1)[0] == _SYNC:
                return Cut(f"its last packet has {rest} of {length} bytes", size - rest + length)
            start = max(0, size - rest - _TAIL // length * length)
            lacking = _lacking(read_at(file, start, size - rest - start), length, sync)
            return Cut(f"its last sound lacks {lacking} bytes") if lacking else None
    return None


def _lacking(data: bytes, length: int, sync: int) -> int:
    """Return how many bytes the packets at the end lack of what their tracks state."""
    lacking: dict[int, int] = {}
    for at in range(sync, len(data), length):
        packet = data[at : at + 188]
        flags = int.from_bytes(packet[1:3], "big")
        track, begins = flags & 0x1FFF, bool(flags & 0x4000)
        content = (
            packet[4 + (1 + packet[4] if packet[3] & 0x20 else 0) :] if packet[3] & 16 else b""
        )
        if begins and content[:3] == b"\0\0\1":
            stated = int.from_bytes(content[4:6], "big")
            lacking[track] = stated + 6 if stated else 0
        if track in lacking:
            lacking[track] = max(0, lacking[track] - len(content))
    return max(lacking.values(), default=0)
