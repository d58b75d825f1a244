"""Pictures behind the things: photographs of a folder, or simple ones computed here.

Axes: h w pixels of the film.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from ssuformer.errors import ConfigError
from training.collage.picture import HEIGHT, WIDTH, Floats, to_light

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

Painter = Callable[[np.random.Generator], Floats]


class Scenery:
    """Pictures of the size of the film, in linear light."""

    def __init__(self, folder: Path | None = None) -> None:
        self._photographs = () if folder is None else _photographs(folder)

    def picture(self, rng: np.random.Generator) -> Floats:
        """Return a picture `[h w 3]`; raise ConfigError if a photograph cannot be read."""
        if self._photographs:
            return _cropped(rng, self._photographs[int(rng.integers(len(self._photographs)))])
        return PAINTERS[int(rng.integers(len(PAINTERS)))](rng)


def _photographs(folder: Path) -> tuple[Path, ...]:
    root = folder.expanduser()
    found = tuple(sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES))
    if not found:
        raise ConfigError(f"{folder} contains no photograph ({', '.join(sorted(SUFFIXES))})")
    return found


def _cropped(rng: np.random.Generator, path: Path) -> Floats:
    """Return a part of a photograph, at least three quarters of what fits the film's shape."""
    try:
        with Image.open(path) as picture:
            image = picture.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise ConfigError(f"{path} is not a picture") from error
    scale = min(image.width / WIDTH, image.height / HEIGHT) * float(rng.uniform(0.75, 1))
    width, height = WIDTH * scale, HEIGHT * scale
    left = float(rng.uniform(0, image.width - width))
    top = float(rng.uniform(0, image.height - height))
    part = image.resize(
        (WIDTH, HEIGHT), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height)
    )
    return to_light(np.asarray(part))


def _axes() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return x `[1 w]` and y `[h 1]` in heights of the film."""
    return np.arange(WIDTH)[None] / HEIGHT, np.arange(HEIGHT)[:, None] / HEIGHT


def _two_colours(rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], ...]:
    """Return two colours of unlike brightness, both rather pale."""
    grey, other = rng.uniform(0.03, 0.6, (2, 1))
    tint = rng.uniform(0.55, 1.6, 3)
    return grey * tint, np.clip(other * tint * rng.uniform(0.8, 1.25, 3), 0, 0.95)


def _spotlight(rng: np.random.Generator) -> Floats:
    """Return a plain wall with a lamp on it."""
    x, y = _axes()
    dim, lit = _two_colours(rng)
    away = np.hypot(x - rng.uniform(0.2, 1.1), y - rng.uniform(0.0, 0.6))
    glow = np.exp(-((away / rng.uniform(0.3, 0.9)) ** 2))[..., None]
    return (dim + (lit - dim) * glow).astype(np.float32)


def _stage(rng: np.random.Generator) -> Floats:
    """Return a floor of squares that recede below a plain wall."""
    x, y = _axes()
    edge = float(rng.uniform(0.4, 0.6))
    depth = 0.25 / np.maximum(y - edge, 0.01)
    across = (x - 2 / 3) * depth * rng.uniform(3, 8)
    squares = (np.floor(across) + np.floor(depth * rng.uniform(2, 5))) % 2
    fade = np.clip((y - edge) * 6, 0, 1)
    dark, light = _two_colours(rng)
    wall, upper = _two_colours(rng)
    floor = dark + (light - dark) * (0.5 + (squares - 0.5) * fade)[..., None]
    behind = wall + (upper - wall) * np.broadcast_to(y / edge, squares.shape)[..., None]
    return np.where((y > edge)[..., None], floor, behind).astype(np.float32)


def _mosaic(rng: np.random.Generator) -> Floats:
    """Return plots of land or a quilt: the cells around random points."""
    x, y = _axes()
    count = int(rng.integers(6, 40))
    points = rng.uniform((0, 0), (WIDTH / HEIGHT, 1), (count, 2))
    away = np.stack([np.hypot(x - px, y - py) for px, py in points])
    base, other = _two_colours(rng)
    colours = base + (other - base) * rng.random((count, 1)) + rng.normal(0, 0.04, (count, 3))
    return np.clip(colours[away.argmin(axis=0)], 0, 1).astype(np.float32)


def _ripples(rng: np.random.Generator) -> Floats:
    """Return water, cloth or leaves: a sum of plane waves."""
    x, y = _axes()
    total = np.zeros((HEIGHT, WIDTH))
    for _ in range(int(rng.integers(8, 30))):
        waves = float(np.exp(rng.uniform(np.log(1), np.log(40))))
        angle = rng.uniform(0, np.pi)
        phase = waves * (x * np.cos(angle) + y * np.sin(angle)) + rng.random()
        total += np.sin(2 * np.pi * phase) / waves**0.5
    share = 1 / (1 + np.exp(-total))[..., None]
    low, high = _two_colours(rng)
    return (low + (high - low) * share).astype(np.float32)


PAINTERS: tuple[Painter, ...] = (_spotlight, _stage, _mosaic, _ripples)
