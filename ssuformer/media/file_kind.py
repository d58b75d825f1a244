"""Tell from its bytes why a file is not a clip: a picture, a sound, compressed, cut."""

from __future__ import annotations

from typing import BinaryIO

import av.error

from ssuformer.errors import (
    ClipError,
    ClipHasNoVideo,
    ClipTooLarge,
    ClipTruncated,
    ClipUnreadable,
    ClipUnsupported,
)
from ssuformer.media.file_end import Cut, cut_off
from ssuformer.media.file_parts import BOXES, boxes, read_at, size_of

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,flv,ogg"
"""Allowed container formats, by FFmpeg's names."""

_PICTURES = (
    *(b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*"),
    *(b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ", b"\xff\x0a"),
)
_PICTURE_BRANDS = frozenset(
    b"avif avis heic heix heim heis hevc hevx hevm hevs mif1 msf1 miaf jp2  jpx ".split()
)
"""Of the files of pictures that are built like MP4."""
_SOUNDS = (b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xf1", b"\xff\xf9")
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"7z\xbc\xaf": "7z",
    b"Rar!": "rar",
}
_CONTAINERS = {b"\x1a\x45\xdf\xa3": "Matroska", b"OggS": "Ogg", b"FLV": "FLV", b"RIFF": "AVI"}
_HEAD = 16
_MOST_INDEX = 64 * 2**20
"""Bytes of an MP4's compressed index."""
_HEAD_OF_INDEX = 64
"""Bytes from the beginning of an index in which a compressed one says how long it is."""


def refuse_pictures(file: BinaryIO) -> None:
    """Raise ClipHasNoVideo for a still picture that FFmpeg would open as a film."""
    head = read_at(file, 0, _HEAD)
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
        raise ClipHasNoVideo(f"this is a still picture ({head[8:12].decode()}), not a video")


def refuse_long_index(file: BinaryIO) -> None:
    """Raise ClipTooLarge for an MP4 whose compressed index (`cmov`) would be long.

    FFmpeg unpacks it as a whole: two megabytes can become two gigabytes.
    """
    for box in boxes(file):
        head = read_at(file, box.at, _HEAD_OF_INDEX) if box.kind == b"moov" else b""
        at = head.find(b"cmvd")
        size = int.from_bytes(head[at + 4 : at + 8], "big")
        if head[12:16] == b"cmov" and at > 0 and size > _MOST_INDEX:
            raise ClipTooLarge(
                f"the compressed index of the clip has {size} bytes, the limit is {_MOST_INDEX}",
                limit=_MOST_INDEX,
                actual=size,
            )


def why_unreadable(file: BinaryIO, error: Exception) -> ClipError:
    """Return the reason why FFmpeg could not open a file."""
    head = read_at(file, 0, _HEAD)
    if (other := _something_else(head)) is not None:
        return other
    if (cut := cut_off(file)) is not None:
        return _truncated(file, cut)
    if head[4:8] in BOXES:
        return _why_not_mp4(file)
    if isinstance(error.__cause__, av.error.ArgumentError):
        return ClipUnsupported(f"the format is not one of {FORMATS}", limit=FORMATS)
    for magic, name in _CONTAINERS.items():
        if head.startswith(magic):
            return ClipUnreadable(f"the header of this {name} file is cut off or damaged")
    return ClipUnreadable("the data is not a clip in a supported format")


def _something_else(head: bytes) -> ClipError | None:
    """Return what is wrong with a file of another kind, told by its first bytes."""
    riff = head[8:12] if head[:4] == b"RIFF" else b""
    if head.startswith(_PICTURES) or riff == b"WEBP":
        return ClipHasNoVideo("this is a still picture or an animation, not a video with sound")
    if head.startswith(_SOUNDS) or riff == b"WAVE":
        return ClipHasNoVideo("this is audio only; there is no video")
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            return ClipUnsupported(f"the data is packed with {name}; send the clip itself")
    if head.lstrip().startswith((b"{", b"[", b"<", b"\xef\xbb\xbf{")):
        return ClipUnsupported("the data is text (JSON, HTML or XML); send the bytes of the clip")
    return None


def refuse_cut_index(file: BinaryIO) -> None:
    """Raise ClipTruncated for an MP4 that ends within its index, which may lack whole tracks."""
    for box in boxes(file):
        if box.kind == b"moov" and (cut := cut_off(file)) is not None and box.end == cut.needed:
            raise _truncated(file, cut)


def _truncated(file: BinaryIO, cut: Cut) -> ClipTruncated:
    return ClipTruncated(
        f"the clip was cut off: {cut.told}", limit=cut.needed, actual=size_of(file)
    )


def _why_not_mp4(file: BinaryIO) -> ClipError:
    """Return what an MP4 lacks: its index, or what is right in it."""
    if b"moov" not in {box.kind for box in boxes(file)}:
        return ClipTruncated("the clip was cut: its index (`moov`) is not there")
    return ClipUnreadable("the index (`moov`) of the clip is damaged")
