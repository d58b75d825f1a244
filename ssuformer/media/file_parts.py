"""The parts that files of media are made of, found without FFmpeg: boxes, elements, tags, pages."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

BOXES = frozenset(
    b"ftyp moov mdat free skip wide moof mfra sidx styp emsg uuid meta pnot udta prft".split()
)
"""The outermost boxes of an MP4."""
EBML = b"\x1a\x45\xdf\xa3"
"""The element that begins a Matroska file."""
SEGMENT, TRACKS, CLUSTER = b"\x18\x53\x80\x67", b"\x16\x54\xae\x6b", b"\x1f\x43\xb6\x75"
_MOST_PARTS = 200_000
_TAGS = frozenset((8, 9, 18))
"""Sound, picture and data of FLV."""
_LISTS = (b"RIFF", b"LIST")
_UNSTATED = (0, 2**32 - 1)
"""Sizes of lists of AVI whose end was not known when they were begun."""


class Part(NamedTuple):
    """A part of a file: its kind, where it begins, where its content begins and ends, in bytes.

    The end is as stated, so that it may lie beyond the end of the file; None if it is not stated.
    """

    kind: bytes
    at: int
    content: int
    end: int | None


def read_at(file: BinaryIO, at: int, size: int) -> bytes:
    """Return bytes of a file, and go back to its beginning."""
    file.seek(at)
    data = file.read(size)
    file.seek(0)
    return data


def size_of(file: BinaryIO) -> int:
    """Return the size of a file in bytes, and go back to its beginning."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def boxes(file: BinaryIO) -> Iterator[Part]:
    """Yield the outermost boxes of an MP4, as far as they are known ones."""
    end, at = size_of(file), 0
    for _ in range(_MOST_PARTS):
        head = read_at(file, at, 16)
        size, kind, content = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if kind not in BOXES:
            return
        if size == 1:
            size, content = int.from_bytes(head[8:16], "big"), at + 16
        size = size or end - at
        yield Part(kind, at, content, at + size)
        if size < 8 or at + size >= end:
            return
        at += size


def elements(file: BinaryIO, at: int, end: int) -> Iterator[Part]:
    """Yield the elements of Matroska between two places.

    What is in a segment or cluster follows it if its end is not stated, as in live films.
    """
    for _ in range(_MOST_PARTS):
        if at >= end or (part := _element(file, at)) is None:
            return
        yield part
        at = part.content if part.end is None else part.end


def _element(file: BinaryIO, at: int) -> Part | None:
    head = read_at(file, at, 12)
    width = _width(head[:1])
    size_width = _width(head[width : width + 1])
    content = width + size_width
    if not 1 <= width <= 4 or not 1 <= size_width <= 8 or len(head) < content:
        return None
    every = (1 << 7 * size_width) - 1
    size = int.from_bytes(head[width:content], "big") & every
    end = None if size == every else at + content + size
    return Part(head[:width], at, at + content, end)


def _width(first: bytes) -> int:
    """Return of how many bytes a number of EBML is, told by its first one; 9 if by none."""
    return 9 - first[0].bit_length() if first else 9


def tags(file: BinaryIO, at: int) -> Iterator[Part]:
    """Yield the tags of FLV from a place on; where there is none, a last part holds the bytes."""
    for _ in range(_MOST_PARTS):
        head = read_at(file, at, 11)
        if not head:
            return
        if head[0] & 0x1F not in _TAGS:
            yield Part(head, at, at, None)
            return
        end = at + 11 + int.from_bytes(head[1:4], "big")
        yield Part(head[:1], at, at + 11, end)
        at = end + 4


def chunks(file: BinaryIO) -> Iterator[Part]:
    """Yield the outermost chunks of AVI, as far as their names are ones.

    What is in a list follows it if its end is not stated, as where the writer could not go back.
    """
    at = 0
    for _ in range(_MOST_PARTS):
        head = read_at(file, at, 12)
        size, kind = int.from_bytes(head[4:8], "little"), head[:4]
        if len(head) < 8 or not kind.isalnum():
            return
        if kind in _LISTS and size in _UNSTATED:
            yield Part(kind, at, at + 12, None)
            at += 12
        else:
            yield Part(kind, at, at + 8, at + 8 + size)
            at += 8 + size + size % 2


def pages(file: BinaryIO) -> Iterator[Part]:
    """Yield the pages of Ogg; their kind is the byte of flags and the number of the track."""
    at = 0
    for _ in range(_MOST_PARTS):
        head = read_at(file, at, 27 + 255)
        if head[:4] != b"OggS" or len(head) < 27:
            return
        content = at + 27 + head[26]
        end = content + sum(head[27 : 27 + head[26]])
        yield Part(head[5:6] + head[14:18], at, content, end)
        at = end
