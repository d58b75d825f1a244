"""Pictures that are turned, of odd sizes and formats, in HDR, coded in ways that need care."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tests.corpus import tiles
from tests.corpus.entry import FILM, HEIGHT, WIDTH, Input, Shown, filmed, heard, scene
from tests.ssuformer.footage import Footage, Painter, with_matrix

Scene = Callable[[int, float], NDArray[np.uint8]]
"""From a picture's number and time to the picture, RGB [h w 3]."""

_TALL = (HEIGHT, WIDTH)
_MATRICES = {
    "as stored": ((1, 0, 0, 1), Shown()),
    "a quarter to the right": (
        (0, 1, -1, 0), Shown(size=_TALL, rotation=270, corner="top right")
    ),
    "upside down": ((-1, 0, 0, -1), Shown(rotation=180, corner="bottom right")),
    "a quarter to the left": ((0, -1, 1, 0), Shown(size=_TALL, rotation=90, corner="bottom left")),
    "mirrored": ((-1, 0, 0, 1), Shown(mirrored=True, corner="top right")),
    "mirrored, upside down": (
        (1, 0, 0, -1), Shown(rotation=180, mirrored=True, corner="bottom left")
    ),
    "rows for columns": ((0, 1, 1, 0), Shown(size=_TALL, rotation=270, mirrored=True)),
    "rows for columns, upside down": (
        (0, -1, -1, 0), Shown(size=_TALL, rotation=90, mirrored=True, corner="bottom right")
    ),
    "a little to the right": ((0.94, 0.34, -0.34, 0.94), Shown()),
    "enlarged": ((2, 0, 0, 2), Shown()),
    "no matrix at all": ((0, 0, 0, 0), Shown()),
}  # fmt: skip
"""Display matrices: the pixel (x, y) is shown at (ax + cy, bx + dy)."""

_SIZES = {
    "vp8 odd": ("vp8", "webm", (63, 47)),
    "vp9 odd": ("vp9", "webm", (101, 77)),
    "h264 no multiple of 16": ("h264", "mp4", (90, 50)),
    "h264 tiny": ("h264", "mp4", (16, 16)),
    "hevc tall": ("hevc", "mp4", (64, 160)),
    "mpeg4 wide": ("mpeg4", "avi", (320, 16)),
    "mpeg2 no multiple of 16": ("mpeg2", "mpegts", (100, 76)),
    "mjpeg odd": ("mjpeg", "mov", (67, 43)),
    "av1 no multiple of 16": ("av1", "mp4", (136, 72)),
    "flv1 odd": ("flv1", "flv", (99, 51)),
    "prores odd": ("prores", "mov", (98, 51)),
}

_FORMATS = {
    "h264 4:2:2": ("h264", "mp4", "yuv422p"),
    "h264 4:4:4": ("h264", "mp4", "yuv444p"),
    "h264 10 bits": ("h264", "mp4", "yuv420p10le"),
    "h264 4:2:2 10 bits": ("h264", "mp4", "yuv422p10le"),
    "h264 full range": ("h264", "mp4", "yuvj420p"),
    "h264 grey": ("h264", "mp4", "gray"),
    "h264 grey 10 bits": ("h264", "matroska", "gray10le"),
    "hevc 10 bits": ("hevc", "mp4", "yuv420p10le"),
    "hevc 4:4:4 12 bits": ("hevc", "matroska", "yuv444p12le"),
    "hevc RGB": ("hevc", "matroska", "gbrp"),
    "hevc grey": ("hevc", "matroska", "gray"),
    "vp9 4:4:4": ("vp9", "webm", "yuv444p"),
    "vp9 4:4:0": ("vp9", "webm", "yuv440p"),
    "vp9 RGB": ("vp9", "webm", "gbrp"),
    "vp9 transparent": ("vp9", "webm", "yuva420p"),
    "vp8 transparent": ("vp8", "webm", "yuva420p"),
    "av1 10 bits": ("av1", "mp4", "yuv420p10le"),
    "prores 4:4:4": ("prores", "mov", "yuv444p10le"),
    "prores transparent": ("prores", "mov", "yuva444p10le"),
    "mjpeg 4:4:4": ("mjpeg", "mov", "yuvj444p"),
    "mpeg2 4:2:2": ("mpeg2", "mpegts", "yuv422p"),
}
"""A codec, a container and FFmpeg's name of a pixel format."""

_GROUPS = {
    "B-frames": (("preset", "medium"), ("bf", "3")),
    "B-frames as references": (("preset", "medium"), ("bf", "3"), ("x264-params", "b-pyramid=2")),
    "open groups": (("preset", "medium"), ("bf", "3"), ("g", "15"), ("x264-params", "open-gop=1")),
    "one key frame": (("preset", "medium"), ("g", "500"), ("sc_threshold", "0")),
    "refreshed bit by bit": (("g", "20"), ("bf", "0"), ("x264-params", "intra-refresh=1")),
    "key frames only": (("g", "1"),),
    "interlaced": (("preset", "medium"), ("x264-params", "tff=1")),
    "lower field first": (("preset", "medium"), ("x264-params", "bff=1")),
    "four slices": (("x264-params", "slices=4"),),
    "without loss": (("qp", "0"),),
}
"""Options of the H.264 encoder."""


def painted(size: tuple[int, int]) -> Painter:
    """Return a painter of the scene in another size."""
    width, height = size
    rows = np.arange(height) * HEIGHT // height
    columns = np.arange(width) * WIDTH // width
    return lambda number, time: np.ascontiguousarray(scene(number, time)[rows][:, columns])


def _turned() -> Iterator[Input]:
    for name, (matrix, expected) in _MATRICES.items():
        for container in ("mp4", "mov"):
            film = replace(FILM, container=container)
            media = partial(_with_matrix, film, *matrix)
            yield Input("display matrix", f"{container} {name}", media, expected)
    film = replace(FILM, container="matroska", rotation=90)
    expected = Shown(size=_TALL, rotation=90, corner="bottom left")
    yield Input("display matrix", "matroska a quarter to the left", film.make, expected)


def _with_matrix(film: Footage, *matrix: float) -> bytes:
    return with_matrix(film.make(), *matrix)


def _sized() -> Iterator[Input]:
    for name, (codec, container, size) in _SIZES.items():
        film = filmed(codec, container=container, size=size, paint=painted(size))
        audio = {"webm": "opus", "flv": "pcm"}.get(container, "mp2")
        yield Input("size", name, heard(audio, film).make, Shown(size=size, within=0.15))
    for aspect, width in ((Fraction(2), 2 * WIDTH), (Fraction(1, 2), WIDTH // 2)):
        film = replace(FILM, prepare=partial(_stretch, aspect=aspect))
        expected = Shown(size=(width, HEIGHT))
        yield Input("size", f"pixels of {aspect} to 1", film.make, expected)
    for name, sides in (
        ("left", (32, 0, 0, 0)),
        ("top left", (2, 6, 0, 0)),
        ("all", (16, 8, 2, 4)),
    ):
        left, top, right, bottom = sides
        cropping = (("x264-params", f"crop-rect={','.join(map(str, sides))}"),)
        shown = Shown(size=(WIDTH - left - right, HEIGHT - top - bottom))
        yield Input("size", f"cropped, {name}", replace(FILM, options=cropping).make, shown)


def _tiled() -> Iterator[Input]:
    yield Input("order of pictures", "hevc in 48 tiles", tiles.film, Shown())


def _stretch(video: VideoStream, *, aspect: Fraction) -> None:
    video.codec_context.sample_aspect_ratio = aspect


def _formatted() -> Iterator[Input]:
    for name, (codec, container, pixels) in _FORMATS.items():
        film = filmed(codec, container=container, pixels=pixels)
        audio = "opus" if container == "webm" else "mp2" if container == "mpegts" else "aac"
        if pixels == "gbrp":
            film = replace(film, prepare=_as_rgb)
        if pixels == "yuva420p":
            film = replace(film, options=(*film.options, ("auto-alt-ref", "0")))
        grey = pixels.startswith("gray")
        yield Input("pixel format", name, heard(audio, film).make, Shown(red=not grey))


def _as_rgb(video: VideoStream) -> None:
    video.codec_context.color_range = ColorRange.JPEG


def _grouped() -> Iterator[Input]:
    for name, options in _GROUPS.items():
        for container in ("mp4", "mpegts", "matroska"):
            film = heard("mp2", replace(FILM, container=container, options=options))
            yield Input("order of pictures", f"{container} {name}", film.make, Shown())
    film = filmed("mpeg4", container="avi", options=(("bf", "2"),))
    yield Input("order of pictures", "avi B-frames", heard("mp2", film).make, Shown())
    film = filmed("mpeg2", container="mpegts", options=(("flags", "+ildct+ilme"),))
    yield Input("order of pictures", "mpeg2 interlaced", heard("mp2", film).make, Shown())


_TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])


def _pq(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the code of light in units of white, 203 nits (ST 2084)."""
    power = (light * 203 / 10_000) ** 0.1593017578125
    return np.asarray(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def _hlg(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the code of light in units of white on a display of 1000 nits (BT.2100)."""
    shown = light * 203 / 1000
    luma = np.maximum(shown @ [0.2627, 0.6780, 0.0593], 1e-9)[..., None]
    scene_light = np.clip(shown / luma ** (0.2 / 1.2), 0, 1)
    high = 0.17883277 * np.log(np.maximum(12 * scene_light - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene_light <= 1 / 12, np.sqrt(3 * scene_light), high)


_CURVES = {"PQ": (_pq, ColorTrc.SMPTE2084), "HLG": (_hlg, ColorTrc.ARIB_STD_B67)}


def coded(curve: str, picture: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return a picture of the usual range, RGB [h w 3], on a curve of HDR, in BT.2020."""
    light = np.maximum((picture / 255) ** 2.4 @ _TO_2020.T, 0)
    return np.rint(_CURVES[curve][0](light) * 65_535).astype(np.uint16)


def _mark(video: VideoStream, *, curve: str) -> None:
    video.codec_context.color_trc = _CURVES[curve][1]
    video.codec_context.color_primaries = ColorPrimaries.BT2020
    video.codec_context.colorspace = Colorspace.BT2020


def in_hdr(curve: str, codec: str, container: str, paint: Scene = scene) -> Footage:
    """Return a film on a curve of HDR, `PQ` or `HLG`, in ten bits."""
    return filmed(
        codec,
        container=container,
        pixels="yuv420p10le",
        paint=lambda number, time: coded(curve, paint(number, time)),
        prepare=partial(_mark, curve=curve),
    )


def _bright() -> Iterator[Input]:
    for curve in _CURVES:
        for codec, container in (
            ("hevc", "mp4"), ("h264", "mov"), ("av1", "matroska"), ("hevc", "matroska")
        ):  # fmt: skip
            name = f"{curve} {codec} {container}"
            yield Input("HDR", name, in_hdr(curve, codec, container).make, Shown(("hdr",)))


INPUTS = (*_turned(), *_sized(), *_formatted(), *_grouped(), *_tiled(), *_bright())
