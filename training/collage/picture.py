"""Paste cut-outs over a picture in linear light, with shadows, at sub-pixel positions.

Axes: h w pixels of the film or of a cut-out, k things from back to front. Colours are linear light
in 0..1, premultiplied by alpha where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import av
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from training.scenes.attributes import colour_of
from training.scenes.grammar import Colour

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
Point = tuple[float, float]
"""x and y in pixels of the film."""

WIDTH, HEIGHT = 480, 360
GAMMA = 2.2

_BORDER = 3
_GREY = np.array((0.2126, 0.7152, 0.0722), np.float32)


@dataclass(frozen=True, slots=True)
class Finish:
    """How a cut-out is fitted into a picture."""

    flip: bool
    blur: float
    """Standard deviation of the blur of its edges, in pixels of the film."""
    tone: float
    """Share by which its brightness and tint move to those of the surroundings."""


@dataclass(frozen=True, slots=True)
class Cutout:
    """A cut-out at its size in the film."""

    light: Floats
    """`[h w 4]`: premultiplied linear light and alpha, with an empty border."""
    colour: Colour | None


@dataclass(frozen=True, slots=True)
class Thing:
    """A cut-out on its way: the middle of its lower edge at the start and the end of the film."""

    cutout: Cutout
    start: Point
    end: Point
    shadow: float
    """Share of the light that its shadow on the ground takes; 0 if it hangs."""

    def at(self, share: float) -> Point:
        """Return where it is after a share of the film."""
        (x, y), (far_x, far_y) = self.start, self.end
        return x + (far_x - x) * share, y + (far_y - y) * share


@dataclass(frozen=True, slots=True)
class Painted:
    """A picture with what is visible of every thing."""

    light: Floats
    """`[h w 3]`."""
    visible: Floats
    """`[k h w]`: share of each pixel that shows a thing, after all that is in front of it."""


def to_light(rgb: Pixels) -> Floats:
    """Return linear light of 8-bit colours."""
    light: Floats = _LIGHT[rgb]
    return light


def to_pixels(light: Floats) -> Pixels:
    """Return 8-bit colours of linear light."""
    return np.rint(255 * np.clip(light, 0, 1) ** (1 / GAMMA)).astype(np.uint8)


_LIGHT = ((np.arange(256) / 255) ** GAMMA).astype(np.float32)


def cut(rgba: Pixels) -> Pixels:
    """Return a cut-out without its empty margin; an empty one unchanged."""
    rows, columns = (np.flatnonzero((rgba[..., 3] > 16).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return rgba
    return rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def fitted(rgba: Pixels, height: float, *, finish: Finish, surroundings: Floats) -> Cutout:
    """Return a cut-out `[h w 4]` of straight alpha at this height, in tune with a picture."""
    scale = height / rgba.shape[0]
    size = (max(4, round(rgba.shape[1] * scale)), max(4, round(height)))
    image = Image.fromarray(rgba).resize(size, Image.Resampling.LANCZOS)
    if finish.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    pixels = np.asarray(image)
    alpha = pixels[..., 3:].astype(np.float32) / np.float32(255)
    light = _toned(to_light(pixels[..., :3]), alpha, surroundings, finish.tone)
    shown = np.concatenate((to_pixels(light), pixels[..., 3:]), axis=-1)
    margin = _BORDER + round(2 * finish.blur)
    stamp = np.pad(
        np.concatenate((light * alpha, alpha), axis=-1),
        ((margin, margin), (margin, margin), (0, 0)),
    )
    soft = ndimage.gaussian_filter(stamp, (finish.blur, finish.blur, 0))
    return Cutout(soft.astype(np.float32), colour_of(Image.fromarray(shown)))


def _toned(light: Floats, alpha: Floats, surroundings: Floats, share: float) -> Floats:
    """Return the light of a cut-out, moved to the mean brightness and tint of its surroundings."""
    weight = float(alpha.sum()) + 1e-6
    mine = (light * alpha).sum(axis=(0, 1)) / weight + 0.02
    theirs = surroundings.reshape(-1, 3).mean(axis=0) + np.float32(0.02)
    toned: Floats = light * (theirs / mine) ** share
    return np.clip(toned, 0, 1)


def paint(picture: Floats, things: Sequence[Thing], share: float) -> Painted:
    """Return a picture with things over it, from back to front, after a share of the film."""
    light = picture.copy()
    visible = np.zeros((len(things), *picture.shape[:2]), np.float32)
    for number, thing in enumerate(things):
        if thing.shadow:
            _darken(light, thing, share)
        _paste(light, visible, number, thing.cutout.light, thing.at(share))
    return Painted(light, visible)


def _paste(light: Floats, visible: Floats, number: int, stamp: Floats, foot: Point) -> None:
    """Paste a stamp whose lower edge has its middle at `foot`."""
    height, width, _ = stamp.shape
    left, top = foot[0] - width / 2, foot[1] - height + _BORDER
    column, row = int(np.floor(left)), int(np.floor(top))
    moved = _shifted(stamp, right=left - column, down=top - row)
    rows, columns = slice(max(0, row), row + height), slice(max(0, column), column + width)
    here = light[rows, columns]
    part = moved[rows.start - row :, columns.start - column :][: here.shape[0], : here.shape[1]]
    alpha = part[..., 3]
    here *= 1 - alpha[..., None]
    here += part[..., :3]
    visible[:, rows, columns] *= 1 - alpha
    visible[number, rows, columns] = alpha


def _shifted(stamp: Floats, *, right: float, down: float) -> Floats:
    """Return a stamp moved by less than a pixel, by cubic splines."""
    if right == 0 and down == 0:
        return stamp
    channels = [
        ndimage.shift(stamp[..., channel], (down, right), order=3, mode="constant")
        for channel in range(4)
    ]
    moved: Floats = np.stack(channels, axis=-1)
    alpha = moved[..., 3:].clip(0, 1)
    return np.concatenate((moved[..., :3].clip(0, alpha), alpha), axis=-1)


def _darken(light: Floats, thing: Thing, share: float) -> None:
    """Darken the ground around the foot of a thing."""
    x, y = thing.at(share)
    wide = thing.cutout.light.shape[1]
    rows, columns = np.ogrid[: light.shape[0], : light.shape[1]]
    away = ((columns - x) / (0.42 * wide)) ** 2 + ((rows - y) / (0.1 * wide + 3)) ** 2
    light *= 1 - np.float32(thing.shadow) * np.exp(-away, dtype=np.float32)[..., None]


def filmed(rng: np.random.Generator, light: Floats, *, grain: float) -> Pixels:
    """Return the 8-bit picture of a camera whose grain is strongest in the shadows."""
    pixels = to_pixels(light).astype(np.float32)
    darkness = 1.3 - pixels @ _GREY / np.float32(255)
    noise = rng.standard_normal(pixels.shape[:2], dtype=np.float32)
    noisy = pixels + (np.float32(grain) * darkness * noise)[..., None]
    return np.rint(noisy.clip(0, 255)).astype(np.uint8)


def squeezed(rgb: Pixels, size: int) -> Pixels:
    """Return a frame of a film as the service hands it to the engines, `[size size 3]`."""
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
    small = frame.reformat(width=size, height=size, format="rgb24", interpolation="AREA")
    return np.asarray(small.to_ndarray(), np.uint8)


def squeezed_mask(visible: Floats, size: int) -> npt.NDArray[np.bool_]:
    """Return `[size size]`: the pixels that show a thing in more than half of their area."""
    shares = Image.fromarray(visible).resize((size, size), Image.Resampling.BOX)
    return np.greater(np.asarray(shares), 0.5)
