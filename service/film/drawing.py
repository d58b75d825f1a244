"""Draw masks and sentences over pictures: colours, outlines, text. Opens no files.

Axes: h w pixels; the last axis of a picture is red, green, blue. Sizes are height, width.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from ssuformer.masks import Mask

ImageArray = NDArray[np.uint8]
Colour = tuple[int, int, int]
Size = tuple[int, int]
Opacity = NDArray[np.float32]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

PALETTE: tuple[Colour, ...] = (
    (255, 99, 71),
    (51, 187, 255),
    (255, 200, 40),
    (102, 214, 96),
    (221, 119, 255),
    (255, 140, 190),
    (0, 214, 190),
    (255, 150, 50),
    (150, 160, 255),
    (190, 220, 60),
)
"""Bright enough for text on black, and distinguishable as tints on any picture."""

_GOLDEN = 0.618034
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_FILL, _EDGE, _HALO = 0.42, 0.95, 0.45
_BACKDROP = 150
_COARSE = 1.5
"""A mask enlarged more than this would show visible pixel steps."""
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Mark:
    """One region to draw: its track, its mask, its sentence."""

    track: int
    mask: Mask
    text: str
    strength: float = 1.0
    """How much of its colour is shown, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text in a track's colour; the first line of a sentence has a swatch."""

    text: str
    colour: Colour
    first: bool


class Layer:
    """A translucent picture: colour times opacity [h w 3], 0..255, and opacity [h w], 0..1."""

    def __init__(self, size: Size) -> None:
        self.colour: NDArray[np.float32] = np.zeros((*size, 3), np.float32)
        self.opacity: Opacity = np.zeros(size, np.float32)

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.opacity.shape[0], self.opacity.shape[1]

    def put(
        self, colour: Colour | NDArray[np.float32], opacity: Opacity, *, y: int, x: int
    ) -> None:
        """Blend a colour, or a picture, over the layer at a position."""
        h, w = opacity.shape
        under, through = self.colour[y : y + h, x : x + w], 1 - opacity
        under *= through[..., None]
        if colour is not _BLACK:
            under += np.asarray(colour, np.float32) * opacity[..., None]
        self.opacity[y : y + h, x : x + w] *= through
        self.opacity[y : y + h, x : x + w] += opacity


def colour_of(track: int) -> Colour:
    """Return the colour of a track: constant per track, different from its neighbours'."""
    place = max(track - 1, 0)
    if place < len(PALETTE):
        return PALETTE[place]
    hue = place * _GOLDEN % 1
    red, green, blue = colorsys.hls_to_rgb(hue, 0.65, 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


@lru_cache(maxsize=32)
def font(size: int) -> Font:
    """Return Pillow's built-in font at a height in pixels; no installed font is needed."""
    return ImageFont.load_default(size)


def paint(marks: Sequence[Mark], size: Size) -> Layer:
    """Return the masks as tints with an outline, dark outside; the first mark is the topmost."""
    layer = Layer(size)
    width = max(2, round(min(size) / 240))
    for mark in reversed(marks):
        y, x, inside = coverage(mark.mask, size, margin=width)
        if inside.size:
            edge = inside - _shrink(inside, width)
            halo = 1 - inside - _shrink(1 - inside, width)
            strength = np.float32(mark.strength)
            tint = _FILL * inside + (_EDGE - _FILL) * edge
            layer.put(_BLACK, strength * _HALO * halo, y=y, x=x)
            layer.put(colour_of(mark.track), strength * tint, y=y, x=x)
    return layer


def coverage(mask: Mask, size: Size, *, margin: int) -> tuple[int, int, Opacity]:
    """Return the opacity of each pixel of a mask scaled to `size`, cropped around the mask.

    Returns y, x of the corner and opacities [h w] with smooth edges; [0 0] for an empty mask.
    """
    scale = size[0] / mask.shape[0], size[1] / mask.shape[1]
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if rows.size == 0:
        return 0, 0, np.zeros((0, 0), np.float32)
    reach = margin + 2 * max(scale)
    top, bottom = _span(rows, scale[0], reach, size[0])
    left, right = _span(columns, scale[1], reach, size[1])
    box = left / scale[1], top / scale[0], right / scale[1], bottom / scale[0]
    grey = Image.fromarray(mask.astype(np.uint8) * 255)
    steep = max(1.0, *scale)
    if max(scale) > _COARSE:
        grey, steep = grey.filter(ImageFilter.GaussianBlur(1)), 2 * steep
    stretched = grey.resize((right - left, bottom - top), Image.Resampling.BICUBIC, box=box)
    soft = np.asarray(stretched, np.float32)
    soft = soft / max(1, soft.max())
    return top, left, np.clip((soft - 0.5) * steep + 0.5, 0, 1)


def _span(hit: NDArray[np.intp], scale: float, reach: float, end: int) -> tuple[int, int]:
    low, high = hit[0] * scale - reach, (hit[-1] + 1) * scale + reach
    return max(0, int(low)), min(end, int(np.ceil(high)))


def _shrink(inside: Opacity, width: int) -> Opacity:
    """Return the smallest opacity within `width` pixels up, down, left and right."""
    shrunk = inside
    for axis in (0, 1):
        padding = [(0, 0), (0, 0)]
        padding[axis] = (width, width)
        shrunk = _least(np.pad(shrunk, padding, mode="edge").swapaxes(0, axis), 2 * width + 1)
        shrunk = shrunk.swapaxes(0, axis)
    return shrunk


def _least(rows: Opacity, count: int) -> Opacity:
    """Return the smallest of each `count` rows that follow each other, in doubling steps."""
    seen = 1
    while seen < count:
        step = min(seen, count - seen)
        rows = np.minimum(rows[:-step], rows[step:])
        seen += step
    return rows


def blend(picture: ImageArray, layer: Layer) -> ImageArray:
    """Return a picture blended with a layer of the same size."""
    blended = picture * (1 - layer.opacity[..., None]) + layer.colour
    return np.round(blended).clip(0, 255).astype(np.uint8)


def wrap(text: str, *, face: Font, width: float) -> list[str]:
    """Return the lines of a text wrapped to a width; a word that is too long is cut."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and face.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(_cut(word, face, width))
    return lines


def _cut(word: str, face: Font, width: float) -> str:
    if face.getlength(word) <= width:
        return word
    while len(word) > 1 and face.getlength(word + _ELLIPSIS) > width:
        word = word[:-1]
    return word + _ELLIPSIS


def line_height(face_size: int) -> int:
    """Return the distance in pixels between two lines of text of this size."""
    return round(face_size * 1.35)


def lines_of(marks: Sequence[Mark], *, face_size: int, width: int) -> list[Line]:
    """Return the sentences of all marks, wrapped to a width that includes their swatches."""
    room = width - line_height(face_size)
    return [
        Line(text=text, colour=colour_of(mark.track), first=i == 0)
        for mark in marks
        for i, text in enumerate(wrap(mark.text, face=font(face_size), width=room))
    ]


def plain_lines(texts: Iterable[str], *, face_size: int, width: int) -> list[Line]:
    """Return texts about no track, wrapped to a width, in white and without a swatch."""
    room = width - line_height(face_size)
    return [
        Line(text=line, colour=_WHITE, first=False)
        for text in texts
        for line in wrap(text, face=font(face_size), width=room)
    ]


def at_most(lines: list[Line], count: int) -> list[Line]:
    """Return at most `count` lines; if some were dropped, the last one says so."""
    if len(lines) <= count or count < 1:
        return lines[: max(count, 0)]
    last = lines[count - 1]
    return [*lines[: count - 1], Line(f"{last.text} {_ELLIPSIS}", last.colour, last.first)]


def write(
    draw: ImageDraw.ImageDraw, lines: Sequence[Line], *, at: tuple[int, int], face_size: int
) -> None:
    """Write lines below each other from the corner x, y on, the swatches to the left of them."""
    x, y = at
    step, swatch = line_height(face_size), round(face_size * 0.72)
    for i, line in enumerate(lines):
        top = y + i * step
        if line.first:
            middle = top + step // 2
            corners = (x, middle - swatch // 2, x + swatch, middle - swatch // 2 + swatch)
            draw.rounded_rectangle(corners, radius=swatch // 4, fill=line.colour)
        place = (x + step, top + step / 2)
        draw.text(place, line.text, fill=_pale(line.colour), font=font(face_size), anchor="lm")


def _pale(colour: Colour) -> Colour:
    """Return the colour as text on black: nearer to white."""
    red, green, blue = (round(255 - 0.6 * (255 - part)) for part in colour)
    return red, green, blue


def burn_in(
    layer: Layer, marks: Sequence[Mark], *, unseen: Sequence[str] = (), notices: Sequence[str] = ()
) -> None:
    """Write the sentences of the marks and what is unseen on a dark band at the bottom.

    The notices get a band at the top.
    """
    face_size = max(12, round(min(layer.size) / 26))
    width = layer.size[1] - 2 * face_size
    lines = lines_of(marks, face_size=face_size, width=width)
    lines += plain_lines(unseen, face_size=face_size, width=width)
    _band(layer, lines, face_size=face_size, top=False)
    face_size = max(10, round(face_size * 0.7))
    _band(
        layer, plain_lines(notices, face_size=face_size, width=width), face_size=face_size, top=True
    )


def _band(layer: Layer, lines: list[Line], *, face_size: int, top: bool) -> None:
    """Write lines on a dark band, over at most 40 % of the height."""
    height, width = layer.size
    step = line_height(face_size)
    lines = at_most(lines, int(height * 0.4) // step)
    if not lines:
        return
    band = Image.new("RGBA", (width, len(lines) * step + face_size), (*_BLACK, _BACKDROP))
    write(ImageDraw.Draw(band), lines, at=(face_size, face_size // 2), face_size=face_size)
    pixels = np.asarray(band, np.float32)
    y = 0 if top else height - band.height
    layer.put(pixels[..., :3], pixels[..., 3] / np.float32(255), y=y, x=0)
