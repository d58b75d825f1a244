"""Tell that a file is encrypted: no key can be sent, and FFmpeg would decode noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from ssuformer.errors import ClipEncrypted
from ssuformer.media.file_parts import (
    CLUSTER,
    EBML,
    SEGMENT,
    TRACKS,
    Part,
    boxes,
    elements,
    read_at,
    size_of,
)

_MOST_INDEX = 64 * 2**20
"""Bytes of an MP4's index that are searched."""
_TRACK, _ENCODINGS, _ENCODING, _ENCRYPTION = b"\xae", b"\x6d\x80", b"\x62\x40", b"\x50\x35"
"""Elements of Matroska."""
_PACKETS = 5000
"""Packets of a transport stream that are looked at."""
_SYNC = 0x47
_FIRST_TRACK, _NO_TRACK = 0x20, 0x1FFF
_MOSTLY = 0.5


def refuse_encrypted(file: BinaryIO) -> None:
    """Raise ClipEncrypted for an encrypted MP4 or Matroska, or a scrambled transport stream."""
    head = read_at(file, 0, 16)
    if head[4:8] == b"ftyp" and any(map(_protects, _indexes(file))):
        raise ClipEncrypted("the clip is encrypted (its index holds a protection scheme)")
    if head[:4] == EBML and any(_encrypted_tracks(file)):
        raise ClipEncrypted("the clip is encrypted (a track of this Matroska file says so)")
    if _SYNC in (head[0:1] + head[4:5]) and _scrambled(file):
        raise ClipEncrypted("the clip is encrypted (the packets of this stream are scrambled)")


def _indexes(file: BinaryIO) -> Iterator[bytes]:
    for box in boxes(file):
        if box.kind == b"moov" and box.end is not None:
            yield read_at(file, box.at, min(box.end - box.at, _MOST_INDEX))


def _protects(index: bytes) -> bool:
    return b"sinf" in index and b"schm" in index


def _encrypted_tracks(file: BinaryIO) -> Iterator[Part]:
    """Yield the marks of encryption in a Matroska file's tracks."""
    for tracks in _tracks(file):
        for track in _within(file, tracks, _TRACK):
            for encodings in _within(file, track, _ENCODINGS):
                for encoding in _within(file, encodings, _ENCODING):
                    yield from _within(file, encoding, _ENCRYPTION)


def _tracks(file: BinaryIO) -> Iterator[Part]:
    """Yield the lists of tracks that come before the pictures."""
    end = size_of(file)
    for part in elements(file, 0, end):
        if part.kind != SEGMENT:
            continue
        for inner in elements(file, part.content, min(part.end or end, end)):
            if inner.kind == CLUSTER:
                break
            if inner.kind == TRACKS:
                yield inner
        return


def _within(file: BinaryIO, part: Part, kind: bytes) -> Iterator[Part]:
    found = elements(file, part.content, part.end or part.content)
    return (inner for inner in found if inner.kind == kind)


def _scrambled(file: BinaryIO) -> bool:
    """Return whether most packets of the tracks of a transport stream are marked as scrambled."""
    for size, first in ((188, 0), (192, 4), (204, 0)):
        data = read_at(file, first, size * _PACKETS)
        packets = np.frombuffer(data[: len(data) // size * size], np.uint8).reshape(-1, size)
        if len(packets) < 3 or (packets[:, 0] != _SYNC).mean() > _MOSTLY:
            continue
        track = (packets[:, 1] & 0x1F).astype(int) << 8 | packets[:, 2]
        used = (track >= _FIRST_TRACK) & (track < _NO_TRACK) & (packets[:, 3] & 0x10 > 0)
        return bool((packets[used, 3] & 0xC0 > 0).sum() > _MOSTLY * used.sum())
    return False
