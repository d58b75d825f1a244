"""Pictures whose truth is known: textured things before textured ground, still or in motion."""

from __future__ import annotations

import cv2
import numpy as np

from service.studio.tools.prompt import Mask, Picture

HEIGHT, WIDTH = 240, 320
RED, BLUE = (200, 40, 40), (40, 60, 200)


def texture(seed: int, colour: tuple[int, int, int], *, contrast: float = 30) -> Picture:
    """Return a smooth noise of one colour, `[240 320 3]`."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT, WIDTH)).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), 2))
    shades = contrast * smooth / smooth.std()
    return np.clip(np.array(colour) + shades[..., None], 0, 255).astype(np.uint8)


def disc(x: int, y: int, radius: int) -> Mask:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.asarray(np.hypot(columns - x, rows - y) <= radius)


def scene(
    x: int, y: int, radius: int = 36, *, thing: tuple[int, int, int] = RED, ground: int = 1
) -> tuple[Picture, Mask]:
    """Return a disc that carries its texture along, on green ground, and where it is."""
    mask = disc(x, y, radius)
    skin = np.roll(texture(7, thing), (y, x), (0, 1))
    return np.where(mask[..., None], skin, texture(ground, (60, 140, 60))), mask
