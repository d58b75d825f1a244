"""HEVC pictures that are made of tiles: written here, as no encoder at hand writes them.

Every block of 16x16 pixels is a tile of its own with its samples as they are (PCM), so that one
decision of the arithmetic coder, always from the same state, is all that is coded in each.
"""

from __future__ import annotations

import io
import re
from fractions import Fraction
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

from tests.corpus.entry import FILM, FPS, SECONDS, scene

_BLOCK = 16
_MAIN, _LEVEL = 1, 186
_VPS, _SPS, _PPS, _IDR = 32, 33, 34, 19
_DECIDED = 270
"""Range of the coder after the one decision of a block, that it is not divided: 510 - 240."""


class _Bits:
    """Writes numbers as bits: of a fixed width, or as Exp-Golomb codes."""

    def __init__(self) -> None:
        self._text = ""

    def put(self, width: int, *values: int) -> None:
        self._text += "".join(f"{value:0{width}b}" for value in values)

    def golomb(self, *values: int) -> None:
        for value in values:
            code = f"{value + 1:b}"
            self._text += "0" * (len(code) - 1) + code

    def end(self) -> bytes:
        """Return the bytes, filled up with a one and zeros."""
        return _packed(self._text + "1")


def _packed(text: str) -> bytes:
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8)


def _ended(coder_range: int) -> bytes:
    """Return what the coder writes at an end that is decided when its range is this (9.3.4.3)."""
    low, text, waiting, first = coder_range - 2, "", 0, True
    for _ in range(7):
        bit = None if 256 <= low < 512 else low // 512
        if bit is None:
            low, waiting = low - 256, waiting + 1
        else:
            text += ("" if first else str(bit)) + str(1 - bit) * waiting
            low, waiting, first = low - 512 * bit, 0, False
        low *= 2
    bit = low >> 9 & 1
    text += ("" if first else str(bit)) + str(1 - bit) * waiting
    return _packed(text + f"{low >> 7 & 3 | 1:02b}")


def _unit(kind: int, content: bytes) -> bytes:
    """Return a NAL unit, in which nothing looks like the beginning of the next one."""
    safe = re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", content)
    return b"\0\0\0\1" + bytes([kind << 1, 1]) + safe


def _profile(bits: _Bits) -> None:
    bits.put(8, _MAIN)
    bits.put(32, 0x60000000)
    bits.put(4, 0b1001)
    bits.put(44, 0)
    bits.put(8, _LEVEL)


def _heads(width: int, height: int) -> bytes:
    """Return the parameter sets of pictures of this size, with a tile for every block."""
    vps, sps, pps = _Bits(), _Bits(), _Bits()
    vps.put(4, 0)
    vps.put(1, 1, 1)
    vps.put(9, 0)
    vps.put(1, 1)
    vps.put(16, 0xFFFF)
    _profile(vps)
    vps.put(1, 1)
    vps.golomb(0, 0, 0)
    vps.put(6, 0)
    vps.golomb(0)
    vps.put(1, 0, 0)

    sps.put(7, 0)
    sps.put(1, 1)
    _profile(sps)
    sps.golomb(0, 1, width, height)
    sps.put(1, 0)
    sps.golomb(0, 0, 4)
    sps.put(1, 1)
    sps.golomb(0, 0, 0)
    sps.golomb(1, 0, 0, 2, 0, 0)  # blocks of 16, transforms of 4 to 16
    sps.put(1, 0, 0, 0, 1)
    sps.put(4, 7, 7)
    sps.golomb(1, 0)
    sps.put(1, 1)
    sps.golomb(0)
    sps.put(1, 0, 0, 0, 0, 0)

    pps.golomb(0, 0)
    pps.put(1, *[0] * 7)
    pps.golomb(0, 0, 0)
    pps.put(1, 0, 0, 0)
    pps.golomb(0, 0)
    pps.put(1, 0, 0, 0, 0, 1, 0)
    pps.golomb(width // _BLOCK - 1, height // _BLOCK - 1)
    pps.put(1, 1, 0, 0, 1, 0, 1, 0, 0)
    pps.golomb(0)
    pps.put(1, 0, 0)
    return _unit(_VPS, vps.end()) + _unit(_SPS, sps.end()) + _unit(_PPS, pps.end())


def _picture(planes: NDArray[np.uint8]) -> bytes:
    """Return a picture, from planes of YUV 4:2:0 [h * 3 / 2, w] without zeros."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    luma = planes[:height]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    tiles = []
    for y in range(0, height, _BLOCK):
        for x in range(0, width, _BLOCK):
            half = np.s_[y // 2 : y // 2 + 8, x // 2 : x // 2 + 8]
            samples = luma[y : y + _BLOCK, x : x + _BLOCK].tobytes()
            samples += b"".join(plane[half].tobytes() for plane in chroma)
            more = (y + _BLOCK, x + _BLOCK) != (height, width)
            tiles.append(_ended(_DECIDED) + samples + _ended(508 if more else 510))
    head = _Bits()
    head.put(1, 1, 0)
    head.golomb(0, 2, 0, len(tiles) - 1)
    if len(tiles) > 1:
        head.golomb(15)
        head.put(16, *[len(tile) - 1 for tile in tiles[:-1]])
    return _unit(_IDR, head.end() + b"".join(tiles))


def tiled(pictures: list[NDArray[np.uint8]]) -> bytes:
    """Return a raw stream of pictures, RGB [h w 3], whose sides are multiples of 16."""
    height, width = pictures[0].shape[:2]
    return _heads(width, height) + b"".join(_picture(_planes(one)) for one in pictures)


def _planes(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
    return cast("NDArray[np.uint8]", frame.to_ndarray())


def film() -> bytes:
    """Return the film in MP4, in 48 tiles."""
    return with_sound([scene(i, i / FPS) for i in range(round(SECONDS * FPS))])


def with_sound(pictures: list[NDArray[np.uint8]]) -> bytes:
    """Return tiled pictures in MP4, with the sound of the film."""
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(tiled(pictures)), "r", format="hevc") as seen,
        av.open(io.BytesIO(FILM.make()), "r") as heard,
        av.open(file, "w", format="mp4") as clip,
    ):
        video = clip.add_stream_from_template(seen.streams.video[0])
        audio = clip.add_stream_from_template(heard.streams.audio[0])
        for i, packet in enumerate(p for p in seen.demux() if p.size):
            packet.stream, packet.time_base = video, Fraction(1, FPS)
            packet.pts = packet.dts = i
            packet.duration = 1
            clip.mux(packet)
        for sound in heard.demux(audio=0):
            if sound.dts is not None:
                sound.stream = audio
                clip.mux(sound)
    return file.getvalue()
