"""Files that are no clips, or not enough of one: each is refused with what it is."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import wave
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

from tests.corpus.entry import FILM, MUTE, Input, Refused, Shown, filmed, heard
from tests.ssuformer.footage import Footage

_MEDIA = Callable[[], bytes]
_FASTSTART = replace(FILM, container_options=(("movflags", "faststart"),))


def _picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, form)
    return file.getvalue()


def _animation(form: str) -> bytes:
    pictures = [Image.new("P", (64, 48), colour) for colour in range(5)]
    file = io.BytesIO()
    pictures[0].save(file, form, save_all=True, append_images=pictures[1:])
    return file.getvalue()


def _wave() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("clip.mp4", MUTE.make())
    return file.getvalue()


def _of_brand(brand: bytes) -> bytes:
    media = MUTE.make()
    return media[:8] + brand + media[12:]


def _noise() -> bytes:
    return np.random.default_rng(3).bytes(20_000)


def _cut(film: Footage, share: float) -> bytes:
    media = film.make()
    return media[: int(len(media) * share)]


def _encrypted_mp4() -> bytes:
    options = {
        "encryption_scheme": "cenc-aes-ctr",
        "encryption_key": "0f" * 16,
        "encryption_kid": "a1" * 16,
    }
    return replace(FILM, container_options=tuple(options.items())).make()


def encrypted_matroska() -> bytes:
    """Return a film whose tracks are marked as encrypted, in place of their titles."""
    title = "t" * 60

    def named(video: object) -> None:
        video.metadata["title"] = title  # type: ignore[attr-defined]

    media = replace(heard("flac", FILM), container="matroska", prepare=named).make()
    at = media.index(title.encode()) - 3
    method = bytes.fromhex("47e18105 47e288") + b"12345678"
    encryption = bytes.fromhex("5035") + bytes([0x80 + len(method)]) + method
    encoding = bytes.fromhex("503181 00 503281 01 503381 01".replace(" ", "")) + encryption
    encoding = bytes.fromhex("6240") + bytes([0x80 + len(encoding)]) + encoding
    rest = 60 - len(encoding) - 2
    content = encoding + b"\xec" + bytes([0x80 + rest]) + bytes(rest)
    return media[:at] + bytes.fromhex("6d80bc") + content + media[at + 63 :]


def scrambled() -> bytes:
    """Return a transport stream whose packets are marked as scrambled, and are."""
    media = bytearray(heard("mp2", replace(FILM, container="mpegts")).make())
    for at in range(0, len(media), 188):
        pid = int.from_bytes(media[at + 1 : at + 3], "big") & 0x1FFF
        if 0x100 <= pid < 0x1FFF and media[at + 3] & 0x10:
            media[at + 3] |= 0x80
            head = 4 + (1 + media[at + 4] if media[at + 3] & 0x20 else 0)
            for place in range(at + head, at + 188):
                media[place] ^= 0x5A
    return bytes(media)


_OTHERS: dict[str, tuple[_MEDIA, Refused]] = {
    **{
        form: (partial(_picture, form), Refused("clip_has_no_video", "still picture"))
        for form in ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "AVIF", "JPEG2000")
    },
    **{
        f"animated {form}": (
            partial(_animation, form), Refused("clip_has_no_video", "still picture or an animation")
        )
        for form in ("GIF", "PNG", "WEBP")
    },
    "heic": (partial(_of_brand, b"heic"), Refused("clip_has_no_video", "still picture .heic")),
    "pictures of HEIF": (
        partial(_of_brand, b"mif1"), Refused("clip_has_no_video", "still picture")
    ),
    "WAV": (_wave, Refused("clip_has_no_video", "audio only")),
    "nothing": (bytes, Refused("clip_empty")),
    "one byte": (lambda: b"\0", Refused("clip_unreadable")),
    "zeros": (lambda: bytes(50_000), Refused("clip_unreadable")),
    "noise": (_noise, Refused("clip_unreadable")),
    "gzip": (lambda: gzip.compress(MUTE.make(), mtime=0), Refused("clip_unsupported", "gzip")),
    "bzip2": (lambda: bz2.compress(MUTE.make()), Refused("clip_unsupported", "bzip2")),
    "xz": (lambda: lzma.compress(MUTE.make()), Refused("clip_unsupported", "xz")),
    "zip": (_zip, Refused("clip_unsupported", "zip")),
    "JSON": (lambda: b'{"file": "clip.mp4"}', Refused("clip_unsupported", "text")),
    "HTML": (lambda: b"<!doctype html><html></html>" * 9, Refused("clip_unsupported", "text")),
    "a list of files": (
        lambda: b"ffconcat version 1.0\nfile '/etc/passwd'\n", Refused("clip_unsupported")
    ),
    "a list of segments": (
        lambda: b"#EXTM3U\n#EXTINF:9,\nfile:///etc/passwd\n", Refused("clip_unreadable")
    ),
    "subtitles": (
        lambda: b"1\n00:00:00,000 --> 00:00:09,000\nHello\n\n" * 5, Refused("clip_unsupported")
    ),
    "encrypted MP4": (_encrypted_mp4, Refused("clip_encrypted")),
    "encrypted Matroska": (encrypted_matroska, Refused("clip_encrypted")),
    "scrambled transport stream": (scrambled, Refused("clip_encrypted")),
}  # fmt: skip

_UNSUPPORTED = {
    "asf": filmed("mpeg4", container="asf", audio="mp2"),
    "nut": filmed("mpeg4", container="nut", audio="mp2"),
    "rm": replace(FILM, container="rm", video="rv10", audio="ac3", options=()),
    "swf": filmed("flv1", container="swf", audio="libmp3lame"),
    "vob": filmed("mpeg2", container="vob", audio="mp2"),
    "ivf": filmed("vp8", container="ivf", audio=None),
    "wtv": filmed("mpeg2", container="wtv", audio="mp2"),
    "huffyuv in AVI": replace(
        FILM, container="avi", video="huffyuv", pixels="yuv422p", audio="pcm_s16le", options=()
    ),
    "ffv1 in Matroska": replace(FILM, container="matroska", video="ffv1", options=()),
    "wmv2 in AVI": replace(FILM, container="avi", video="wmv2", audio="libmp3lame", options=()),
    "cinepak in MOV": replace(FILM, container="mov", video="cinepak", pixels="rgb24", options=()),
    "wavpack in Matroska": replace(FILM, container="matroska", audio="wavpack"),
    "raw video in AVI": replace(
        FILM, container="avi", video="rawvideo", audio="pcm_s16le", options=()
    ),
}

_SOUND = replace(FILM, video=None)
_ONLY_SOUND = {
    "mp4": _SOUND,
    "matroska": replace(_SOUND, container="matroska"),
    "mp3": heard("mp3", replace(_SOUND, container="mp3")),
    "flac": heard("flac", replace(_SOUND, container="flac")),
    "adts": replace(_SOUND, container="adts"),
    "ogg": heard("opus", replace(_SOUND, container="ogg")),
    "mpegts": heard("mp2", replace(_SOUND, container="mpegts")),
}

_CUT_SHOWN = Shown(("clip_incomplete",), 2.4, 0.3)
_CUT: dict[str, tuple[_MEDIA, Refused | Shown]] = {
    "MP4 before its index": (
        partial(_cut, FILM, 0.5), Refused("clip_truncated", "ends at byte")
    ),
    "MP4 in its index": (partial(_cut, _FASTSTART, 0.1), Refused("clip_truncated", "moov")),
    "MP4 after its index": (
        partial(_cut, replace(_FASTSTART, audio="alac", options=(("g", "5"),)), 0.85),
        replace(_CUT_SHOWN, warnings=("audio_damaged", "clip_incomplete")),
    ),
    "MP4, a third of it": (
        partial(_cut, replace(_FASTSTART, audio="alac"), 0.35), Refused("clip_truncated")
    ),
    "Matroska": (
        partial(_cut, heard("alac", replace(FILM, container="matroska")), 0.8), _CUT_SHOWN
    ),
    "Matroska in its header": (
        partial(_cut, replace(FILM, container="matroska"), 0.01),
        Refused("clip_truncated", "ends at byte"),
    ),
    "transport stream": (
        partial(_cut, heard("mp2", replace(FILM, container="mpegts")), 0.8),
        _CUT_SHOWN,
    ),
    "AVI": (
        partial(_cut, heard("pcm", filmed("mpeg4", container="avi")), 0.8),
        _CUT_SHOWN,
    ),
    "FLV": (
        partial(_cut, heard("mp3", filmed("flv1", container="flv")), 0.8),
        replace(_CUT_SHOWN, warnings=("pictures_damaged", "clip_incomplete"), late=1105 / 44_100),
    ),
    "Ogg": (
        partial(_cut, heard("flac", filmed("vp8", container="ogg")), 0.8),
        _CUT_SHOWN,
    ),
}  # fmt: skip


def _inputs() -> Iterator[Input]:
    for name, (media, refused) in _OTHERS.items():
        yield Input("no clip", name, media, refused)
    for name, film in _UNSUPPORTED.items():
        yield Input("unsupported", name, film.make, Refused("clip_unsupported"))
    for name, film in _ONLY_SOUND.items():
        yield Input("no video", f"sound in {name}", film.make, Refused("clip_has_no_video"))
    for name, (media, expected) in _CUT.items():
        yield Input("cut off", name, media, expected)


INPUTS = tuple(_inputs())
