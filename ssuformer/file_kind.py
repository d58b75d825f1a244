"""Tell from its bytes why a file is not a clip: a picture, a sound, encrypted, compressed, cut."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO, NamedTuple

import av.error

from ssuformer.errors import (
    ClipEncrypted,
    ClipError,
    ClipHasNoVideo,
    ClipTooLarge,
    ClipTruncated,
    ClipUnreadable,
    ClipUnsupported,
)

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
_BOXES = frozenset(b"ftyp moov mdat free skip wide moof sidx styp uuid meta pnot udta".split())
_HEAD = 16
_MOST_INDEX = 64 * 2**20
"""Bytes of an MP4's index that are searched for signs of encryption; a compressed one has less."""
_MOST_BOXES = 100_000
"""Outermost boxes of an MP4 that are looked at; a file can be made of boxes of 8 bytes."""
_HEAD_OF_COMPRESSED = 64
"""Bytes from the beginning of an index in which a compressed one says how long it is."""


class _Box(NamedTuple):
    """A box of an MP4: its name, where it begins, and its size in bytes, as stated."""

    name: bytes
    at: int
    size: int


def refuse_early(file: BinaryIO) -> None:
    """Raise a ClipError for what FFmpeg would open although it is no clip that can be shown."""
    head = _read(file, 0, _HEAD)
    if head[4:8] not in _BOXES:
        return
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURE_BRANDS:
        raise ClipHasNoVideo(f"this is a still picture ({head[8:12].decode()}), not a video")
    for box in islice(_boxes(file), _MOST_BOXES):
        if box.name == b"moov":
            index = _read(file, box.at, min(box.size, _MOST_INDEX))
            _check_compressed(index)
            if b"sinf" in index and b"schm" in index:
                raise ClipEncrypted("the clip is encrypted (its index holds a protection scheme)")


def _check_compressed(index: bytes) -> None:
    """Raise ClipTooLarge for a compressed index (`cmov`) that would be long."""
    at = index.find(b"cmvd", 0, _HEAD_OF_COMPRESSED)
    size = int.from_bytes(index[at + 4 : at + 8], "big")
    if index[12:16] == b"cmov" and at > 0 and size > _MOST_INDEX:
        raise ClipTooLarge(
            f"the compressed index of the clip has {size} bytes, the limit is {_MOST_INDEX}",
            limit=_MOST_INDEX,
            actual=size,
        )


def why_unreadable(file: BinaryIO, error: Exception) -> ClipError:
    """Return the reason why FFmpeg could not open a file."""
    head = _read(file, 0, _HEAD)
    if (other := _something_else(head)) is not None:
        return other
    if head[4:8] in _BOXES:
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


def _why_not_mp4(file: BinaryIO) -> ClipError:
    """Return what an MP4 lacks: what lies after the end of the file, or its index."""
    size = file.seek(0, io.SEEK_END)
    boxes = list(islice(_boxes(file), _MOST_BOXES))
    last = boxes[-1]
    if last.at + last.size > size:
        return ClipTruncated(
            f"the clip was cut off: its part `{last.name.decode()}` ends at byte "
            f"{last.at + last.size}, the file has {size}",
            limit=last.at + last.size,
            actual=size,
        )
    if b"moov" not in {box.name for box in boxes}:
        return ClipTruncated("the clip was cut: its index (`moov`) is not there")
    return ClipUnreadable("the index (`moov`) of the clip is damaged")


def _boxes(file: BinaryIO) -> Iterator[_Box]:
    """Yield the outermost boxes of an MP4."""
    end, at = file.seek(0, io.SEEK_END), 0
    while at + 8 <= end:
        head = _read(file, at, 16)
        size, name = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if name not in _BOXES:
            return
        yield _Box(name, at, end - at if size == 0 else size)
        if size < 8:
            return
        at += size


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    """Return bytes of a file, and go back to its beginning."""
    file.seek(at)
    data = file.read(size)
    file.seek(0)
    return data
