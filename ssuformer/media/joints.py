"""Find where a second film begins in the same file: files that were written one after the other."""

from __future__ import annotations

from typing import BinaryIO

from ssuformer.media.file_parts import EBML, boxes, elements, pages, read_at, size_of, tags

_FLV = b"FLV\x01"
_FLV_HEAD = 13
_FIRST_PAGE = 0x02


def second_film(file: BinaryIO) -> int | None:
    """Return the byte at which another film begins in a file; None if there is only one.

    Transport streams have no beginning; AVI goes on in further parts that FFmpeg reads.
    """
    head = read_at(file, 0, 8)
    if head[:4] == EBML:
        return _second_segment(file)
    if head[:4] == _FLV:
        found = (part.at for part in tags(file, _FLV_HEAD) if part.kind.startswith(_FLV))
        return next(found, None)
    if head[:4] == b"OggS":
        return _second_chain(file)
    if head[4:8] == b"ftyp":
        found = (box.at for box in boxes(file) if box.kind == b"ftyp" and box.at > 0)
        return next(found, None)
    return None


def _second_segment(file: BinaryIO) -> int | None:
    found = elements(file, 0, size_of(file))
    return next((part.at for part in found if part.kind == EBML and part.at > 0), None)


def _second_chain(file: BinaryIO) -> int | None:
    """Return the first page of Ogg that begins a track after one that does not."""
    begun = False
    for page in pages(file):
        first = bool(page.kind[0] & _FIRST_PAGE)
        if begun and first:
            return page.at
        begun = begun or not first
    return None
