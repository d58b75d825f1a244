"""Cut-outs: locations of each style's pictures, and conversion to tight RGBA sprites."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import resvg_py
from PIL import Image, ImageDraw, ImageFont

Rgba = npt.NDArray[np.uint8]

LONGEST_SIDE = 256
NOTO_SIZE = 109
"""The one size in which the bitmaps of Noto Color Emoji are stored."""


@dataclass(frozen=True, slots=True)
class Style:
    """A style in which many objects are drawn, and its folder."""

    name: str
    licence: str
    folder: str
    """Below the npm folder; a file is named by its code points."""
    suffix: str
    upper: bool = False


STYLES = (
    Style("fluent-3d", "MIT", "@lobehub/fluent-emoji-3d/assets", ".webp"),
    Style("fluent-flat", "MIT", "@lobehub/fluent-emoji-flat/assets", ".svg"),
    Style("openmoji", "CC-BY-SA-4.0", "openmoji/color/svg", ".svg", upper=True),
    Style("twemoji", "CC-BY-4.0", "@twemoji/svg", ".svg"),
)
NOTO_LICENCE = "OFL-1.1"
STAMP_LICENCE = "GPL-2.0-only"


@dataclass(frozen=True, slots=True)
class Drawing:
    """A sprite with its style, name, origin and licence."""

    rgba: Rgba
    style: str
    name: str
    origin: str
    licence: str


def tight(picture: Image.Image) -> Rgba | None:
    """Crop a picture to its visible part and shrink it to 256 px; None if nothing is visible."""
    rgba = picture.convert("RGBA")
    box = rgba.getchannel("A").point(lambda alpha: 255 * (alpha > 24)).getbbox()
    if box is None:
        return None
    rgba = rgba.crop(box)
    scale = LONGEST_SIDE / max(rgba.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in rgba.size)
        rgba = rgba.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(rgba)


def read_picture(path: Path) -> Image.Image:
    """Open a bitmap, or draw an SVG with its longest side at 256 px or a little above."""
    if path.suffix != ".svg":
        return Image.open(path)
    drawn = Image.open(io.BytesIO(resvg_py.svg_to_bytes(svg_path=str(path), width=320)))
    return drawn.convert("RGBA")


def emoji_drawings(npm: Path, code: str) -> Iterator[Drawing]:
    """Yield one emoji in every style of the npm folder that has it."""
    for style in STYLES:
        for spelling in (code, f"{code}-fe0f", code.replace("-fe0f", "")):
            name = spelling.upper() if style.upper else spelling
            path = npm / style.folder / f"{name}{style.suffix}"
            if path.exists():
                rgba = tight(read_picture(path))
                if rgba is not None:
                    origin = f"{style.folder}/{path.name}"
                    yield Drawing(rgba, style.name, code, origin, style.licence)
                break


def noto_drawing(font: Path, code: str) -> Drawing | None:
    """Draw one emoji with the Noto Color Emoji font, or None if the font lacks it."""
    text = "".join(chr(int(point, 16)) for point in code.split("-"))
    face = ImageFont.truetype(str(font), NOTO_SIZE)
    canvas = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(canvas).text((12, 12), text, font=face, embedded_color=True)
    rgba = tight(canvas)
    return None if rgba is None else Drawing(rgba, "noto", code, font.name, NOTO_LICENCE)


def stamp_drawing(stamps: Path, name: str) -> Drawing | None:
    """Read one of Tux Paint's stamps: a photograph if it is a bitmap, unless it is a cartoon."""
    path = stamps / name
    if not path.exists():
        return None
    rgba = tight(read_picture(path))
    drawn = path.suffix == ".svg" or "cartoon" in name or "toys" in name
    style = "drawing" if drawn else "photo"
    origin = f"tuxpaint-stamps/{name}"
    return None if rgba is None else Drawing(rgba, style, path.stem.lower(), origin, STAMP_LICENCE)
