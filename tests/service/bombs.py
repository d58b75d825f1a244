"""Small files, or bodies, that would cost much: each made on the spot."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import av
import numpy as np

from tests.corpus.tiles import with_sound
from tests.ssuformer.footage import Footage, flash_in

PLAIN = Footage(seconds=2.0, paint=flash_in(1))


def box(name: bytes, *content: bytes) -> bytes:
    """A box of MP4."""
    body = b"".join(content)
    return struct.pack(">I4s", len(body) + 8, name) + body


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """Name and content of the boxes of a file, or of a box that contains boxes."""
    found, at = [], 0
    while at + 8 <= len(data):
        size, name = struct.unpack(">I4s", data[at : at + 8])
        found.append((name, data[at + 8 : at + size]))
        at += size
    return found


def with_moov(change: Callable[[bytes], bytes]) -> bytes:
    """A clip whose index, which is at the end, is replaced."""
    parts = boxes(PLAIN.make())
    return b"".join(change(body) if name == b"moov" else box(name, body) for name, body in parts)


def many_tracks(number: int) -> bytes:
    def repeated(moov: bytes) -> bytes:
        parts = boxes(moov)
        sound = [body for name, body in parts if name == b"trak"][1]
        return box(b"moov", *(box(*one) for one in parts), box(b"trak", sound) * number)

    return with_moov(repeated)


def compressed_index(size: int) -> bytes:
    """An index that is compressed a thousandfold, most of it empty."""

    def compressed(moov: bytes) -> bytes:
        whole = box(b"moov", moov, box(b"free", bytes(size)))
        packed = zlib.compress(whole)
        method, content = box(b"dcom", b"zlib"), box(b"cmvd", len(whole).to_bytes(4), packed)
        return box(b"moov", box(b"cmov", method, content))

    return with_moov(compressed)


def nested_boxes(depth: int) -> bytes:
    def nested(moov: bytes) -> bytes:
        inner = b""
        for _ in range(depth):
            inner = box(b"udta", inner)
        return box(b"moov", moov, inner)

    return with_moov(nested)


def nested_elements(depth: int) -> bytes:
    """Matroska with tags in tags."""
    inner = b""
    for _ in range(depth):
        inner = _element(b"\x67\xc8", inner)
    tags = _element(b"\x12\x54\xc3\x67", _element(b"\x73\x73", inner))
    clip = Footage(seconds=2.0, container="matroska").make()
    return clip + tags


def _element(name: bytes, content: bytes) -> bytes:
    return name + (1 << 56 | len(content)).to_bytes(8) + content


def nested_files(depth: int) -> bytes:
    """A clip that is the media data of a clip, and so on."""
    clip = PLAIN.make()
    for _ in range(depth):
        clip = box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"mdat", clip)
    return clip


def picture_tiles(number: int) -> bytes:
    """A clip beside a picture that is made of so many HEVC tiles."""
    infos = b"".join(
        box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", item, 0, b"hvc1"), b"\0")
        for item in range(1, number + 1)
    )
    places = b"".join(struct.pack(">HHHII", item, 0, 1, 40, 100) for item in range(1, number + 1))
    grid = box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", number + 1, 0, b"grid"), b"\0")
    ids = b"".join(struct.pack(">H", item) for item in range(1, number + 1))
    parts = struct.pack(">HH", number + 1, number) + ids
    meta = box(
        b"meta",
        bytes(4),
        box(b"hdlr", bytes(8), b"pict", bytes(13)),
        box(b"pitm", bytes(4), struct.pack(">H", number + 1)),
        box(b"iinf", bytes(4), struct.pack(">H", number + 1), infos, grid),
        box(b"iloc", bytes(4), b"\x44\x00", struct.pack(">H", number), places),
        box(b"iref", bytes(4), box(b"dimg", parts)),
    )
    clip = PLAIN.make()
    head = int.from_bytes(clip[:4])
    return clip[:head] + meta + clip[head:]


def tiled_pictures(size: tuple[int, int], number: int) -> bytes:
    """Grey pictures in which every block of 16x16 pixels is a tile."""
    return with_sound([np.full((size[1], size[0], 3), 128, np.uint8)] * number)


def tagged(clip: bytes, size: int) -> bytes:
    """A clip behind an ID3 tag with a picture of this size."""
    frame = b"APIC" + _seven_bits(size) + b"\0\0" + b"\0image/png\0\3\0"
    picture = frame + bytes(size - 14)
    return b"ID3\4\0\0" + _seven_bits(len(picture)) + picture + clip


def _seven_bits(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def slow_sound(rate: int, samples: int) -> bytes:
    """Sound of few samples a second, which are many once resampled."""
    clip = Footage(seconds=2.0, container="avi", video="mpeg4", audio="pcm_s16le", rate=8000).make()
    head = clip.index(b"auds", clip.index(b"strf"))
    form = clip.index(b"strf", head) + 8
    wave = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    clip = clip[:form] + wave + clip[form + len(wave) :]
    scale = head + 20
    clip = clip[:scale] + struct.pack("<II", 1, rate) + clip[scale + 8 :]
    more = b"01wb" + struct.pack("<I", 2 * samples) + bytes(2 * samples)
    return clip + more


def subtitled(screens: int) -> bytes:
    """A clip with pictures for subtitles (PGS), which claim to be as large as can be."""
    texts, file = b"".join(map(_screen, range(screens))), io.BytesIO()
    with (
        av.open(io.BytesIO(PLAIN.make()), "r") as film,
        av.open(io.BytesIO(texts), "r", format="sup") as shown,
        av.open(file, "w", format="matroska") as clip,
    ):
        for source in (film, shown):
            for track in source.streams:
                clip.add_stream_from_template(track)
        for source, first in ((film, 0), (shown, len(film.streams))):
            for packet in source.demux():
                if packet.pts is not None:
                    packet.stream = clip.streams[first + packet.stream.index]
                    clip.mux(packet)
    return file.getvalue()


def _screen(number: int) -> bytes:
    """A screen of PGS: 65,535 pixels wide and high, of runs as long as they can be."""
    side = 65_535
    window = struct.pack(">BBHHHH", 1, 0, 0, 0, side, side)
    composition = struct.pack(">HHBHBBBB", side, side, 0x10, number, 0x80, 0, 0, 1)
    placed = struct.pack(">HBBHH", 0, 0, 0, 0, 0)
    runs = b"\x00\x7f\xff" * 15_000
    picture = struct.pack(">HBB", 0, 0, 0xC0) + (len(runs) + 4).to_bytes(3)
    picture += struct.pack(">HH", side, side) + runs
    parts = {0x16: composition + placed, 0x17: window, 0x14: bytes(7), 0x15: picture, 0x80: b""}
    time = 9_000 * number
    return b"".join(
        b"PG" + struct.pack(">IIBH", time, time, kind, len(content)) + content
        for kind, content in parts.items()
    )


def endless() -> bytes:
    """A clip that says that it lasts for 68 years."""
    clip = bytearray(PLAIN.make())
    for name in (b"mvhd", b"mdhd"):
        at = clip.index(name) + 16
        struct.pack_into(">II", clip, at, 1, 2**31 - 1)
    return bytes(clip)


def hurried() -> bytes:
    """A clip that says that it has two thousand million pictures a second."""
    clip = bytearray(Footage(seconds=2.0, container="avi", video="mpeg4", audio="mp2").make())
    at = clip.index(b"vids") + 20
    struct.pack_into("<II", clip, at, 1, 2**31 - 1)
    return bytes(clip)


def stream() -> bytes:
    return Footage(seconds=2.0, container="mpegts").make()


BOMBS: dict[str, tuple[Callable[[], bytes], set[int]]] = {
    "900 tracks": (lambda: many_tracks(900), {413}),
    "100 tracks": (lambda: many_tracks(98), {200}),
    "an index of 100 MB, compressed": (lambda: compressed_index(100_000_000), {413}),
    "an index of 50 MB, compressed": (lambda: compressed_index(50_000_000), {200}),
    "10,000 boxes in each other": (lambda: nested_boxes(10_000), {422}),
    "a million boxes of 8 bytes": (lambda: box(b"free") * 1_000_000 + PLAIN.make(), {200, 422}),
    "10,000 elements in each other": (lambda: nested_elements(10_000), {200}),
    "50 files in each other": (lambda: nested_files(50), {422}),
    "30,000 tiles of HEVC": (lambda: picture_tiles(30_000), {413}),
    "two pictures of 9,216 HEVC tiles each": (lambda: tiled_pictures((2048, 1152), 2), {200}),
    "a picture of 50 MB in an ID3 tag": (lambda: tagged(stream(), 50_000_000), {422}),
    "one sample a second": (lambda: slow_sound(1, 1_000_000), {415}),
    "subtitles as large as can be": (lambda: subtitled(50), {200}),
    "68 years": (endless, {413}),
    "2,147,483,647 pictures a second": (hurried, {200, 422}),
}
"""What is sent, and how it may be answered."""
