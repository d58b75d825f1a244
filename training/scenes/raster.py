"""Render a script: pictures at any time and size, and which pixels show which actor.

Axes: h w pixels, k actors.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from training.scenes.script import Actor, Backdrop, Look, Pose, Script

Pixels = npt.NDArray[np.uint8]

OPAQUE = 128
"""Minimum alpha of pixels that belong to an actor."""

_MARGIN = 0.03
_NOISE_POOL = 1 << 21


@dataclass(frozen=True, slots=True)
class RenderedFrame:
    """One rendered picture."""

    rgb: Pixels
    """`[h w 3]`."""
    actor: Pixels
    """`[h w]`: number of the actor visible there, from 1; 0 is background."""
    areas: tuple[int, ...]
    """Number of pixels of each actor inside the frame, ignoring occlusion."""

    def mask(self, number: int) -> npt.NDArray[np.bool_]:
        """Return `[h w]`: the visible pixels of an actor, counted from 0."""
        return np.equal(self.actor, number + 1)


class Raster:
    """A script prepared for rendering at one frame size."""

    def __init__(
        self,
        script: Script,
        *,
        sprites: Sequence[Image.Image],
        background: Pixels,
        size: tuple[int, int],
    ) -> None:
        self.script = script
        self.height, self.width = size
        self.sprites = [
            dressed(sprite, actor, longest(actor, size))
            for sprite, actor in zip(sprites, script.actors, strict=True)
        ]
        self._stock = [sprite.convert("RGBa") for sprite in self.sprites]
        margin = max(_MARGIN, script.camera.sway)
        self._background = _backdrop(background, script.backdrop, size=size, margin=margin)

    def picture(self, seconds: float) -> RenderedFrame:
        """Return the picture at a time of the script."""
        rgb = self._view(seconds).copy()
        seen = np.zeros(rgb.shape[:2], np.uint8)
        areas = []
        for number, (actor, sprite) in enumerate(zip(self.script.actors, self._stock, strict=True)):
            areas.append(
                self._paint(rgb, seen, sprite, self.script.pose(actor, seconds), number + 1)
            )
        return RenderedFrame(self._degraded(rgb, seconds), seen, tuple(areas))

    def _view(self, seconds: float) -> Pixels:
        right, down = self.script.camera.offset(seconds)
        rows, columns = self._background.shape[:2]
        top = round((rows - self.height) / 2 - down * self.height)
        left = round((columns - self.width) / 2 - right * self.width)
        return self._background[top : top + self.height, left : left + self.width]

    def _paint(
        self, rgb: Pixels, seen: Pixels, sprite: Image.Image, pose: Pose, number: int
    ) -> int:
        """Paint one actor over `rgb` and `seen`; return its number of pixels."""
        scale_x = self.width / math.sqrt(self.script.aspect)
        scale_y = self.height * math.sqrt(self.script.aspect)
        zoom = max(sprite.size) / pose.size
        cos, sin = math.cos(math.radians(pose.degrees)), math.sin(math.radians(pose.degrees))
        reach_x = (abs(cos) * sprite.width + abs(sin) * sprite.height) / zoom * scale_x / 2
        reach_y = (abs(sin) * sprite.width + abs(cos) * sprite.height) / zoom * scale_y / 2
        x, y = pose.x * self.width, pose.y * self.height
        left, top = max(0, math.floor(x - reach_x)), max(0, math.floor(y - reach_y))
        right = min(self.width, math.ceil(x + reach_x))
        bottom = min(self.height, math.ceil(y + reach_y))
        if left >= right or top >= bottom:
            return 0
        a, b = cos * zoom / scale_x, -sin * zoom / scale_y
        d, e = sin * zoom / scale_x, cos * zoom / scale_y
        c = a * (left - x) + b * (top - y) + sprite.width / 2
        f = d * (left - x) + e * (top - y) + sprite.height / 2
        patch = np.asarray(
            sprite.transform(
                (right - left, bottom - top),
                Image.Transform.AFFINE,
                (a, b, c, d, e, f),
                Image.Resampling.BILINEAR,
            )
        )
        here = rgb[top:bottom, left:right]
        here[:] = _over(patch, here)
        opaque = patch[..., 3] >= OPAQUE
        seen[top:bottom, left:right][opaque] = number
        return int(np.count_nonzero(opaque))

    def _degraded(self, rgb: Pixels, seconds: float) -> Pixels:
        camera = self.script.camera
        if camera.noise > 0:
            rng = np.random.default_rng([*self.script.seed, 1, round(1000 * seconds)])
            pool = _noise_pool(round(camera.noise))
            if rgb.size >= len(pool):
                pool = np.resize(pool, 2 * rgb.size)
            start = int(rng.integers(len(pool) - rgb.size))
            noisy = rgb.astype(np.int16) + pool[start : start + rgb.size].reshape(rgb.shape)
            rgb = np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
        if camera.jpeg_quality is not None:
            rgb = _through_jpeg(rgb, camera.jpeg_quality)
        return rgb


def longest(actor: Actor, size: tuple[int, int]) -> float:
    """Return an actor's greatest length in pixels in frames of `size` (height, width)."""
    growth = max(actor.motion.growth, 1 / actor.motion.growth) ** 0.5
    return float(actor.motion.size * growth * math.sqrt(size[0] * size[1]))


def dressed(sprite: Image.Image, actor: Actor, length: float) -> Image.Image:
    """Return an RGBA cut-out at (about) its display size, with the look of the script."""
    ratio = min(1.0, length / max(sprite.size))
    size = (max(3, round(sprite.width * ratio)), max(3, round(sprite.height * ratio)))
    shown = sprite.resize(size, Image.Resampling.BILINEAR) if ratio < 1 else sprite
    if actor.look.flip:
        shown = shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    shown = _toned(shown, actor.look)
    radius = actor.look.blur * max(shown.size)
    if radius > 0.3:
        soft = shown.convert("RGBa").filter(ImageFilter.GaussianBlur(radius))
        shown = soft.convert("RGBA")
    return shown


def _toned(image: Image.Image, look: Look) -> Image.Image:
    """Return an RGB or RGBA picture with brightness, contrast and tint changed."""
    if look.contrast == 1 and look.brightness == 0 and look.tint == (1, 1, 1):
        return image
    pixels = np.array(image)
    gain = np.array(look.tint, np.float32) * look.contrast
    lift = (128 - 128 * look.contrast + 255 * look.brightness) * np.array(look.tint, np.float32)
    colours = pixels[..., :3]
    colours[:] = np.clip(colours * gain + lift, 0, 255)
    return Image.fromarray(pixels)


def _backdrop(
    background: Pixels, backdrop: Backdrop, *, size: tuple[int, int], margin: float
) -> Pixels:
    """Return the part of a background that a script shows, with a margin for camera motion."""
    image = Image.fromarray(background)
    side = background.shape[0]
    height, width = (2 * math.ceil(margin * length) + length for length in size)
    left, top, right, bottom = (value * side for value in backdrop.box)
    image = image.resize(
        (width, height), Image.Resampling.BILINEAR, box=(left, top, right, bottom), reducing_gap=2.0
    )
    if backdrop.flip:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(_toned(image, Look(tint=backdrop.tint)))


def _over(patch: Pixels, below: Pixels) -> Pixels:
    """Return a premultiplied RGBA patch blended over what is below it."""
    rest = (255 - patch[..., 3:]).astype(np.uint16)
    blended = below * rest
    blended += 128
    blended += blended >> 8
    blended >>= 8
    blended += patch[..., :3]
    mixed: Pixels = np.minimum(blended, 255, out=blended).astype(np.uint8)
    return mixed


def _through_jpeg(rgb: Pixels, quality: int) -> Pixels:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), np.uint8)


@cache
def _noise_pool(sigma: int) -> npt.NDArray[np.int16]:
    rng = np.random.default_rng(sigma)
    return np.rint(sigma * rng.standard_normal(_NOISE_POOL, dtype=np.float32)).astype(np.int16)
