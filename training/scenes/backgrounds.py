"""Synthetic backgrounds from a seed: the same picture at any resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Floats = npt.NDArray[np.float32]
Painter = Callable[[np.random.Generator, int], Floats]

_PALETTES: tuple[tuple[tuple[int, int, int], ...], ...] = (
    ((34, 52, 28), (74, 105, 51), (152, 168, 94)),  # leaves
    ((58, 84, 40), (112, 142, 70), (196, 200, 130)),  # meadow
    ((92, 72, 52), (148, 118, 86), (210, 186, 150)),  # earth
    ((196, 174, 136), (222, 204, 170), (240, 230, 208)),  # sand
    ((70, 74, 80), (122, 126, 130), (184, 186, 188)),  # stone
    ((30, 62, 92), (66, 112, 148), (156, 190, 208)),  # water
    ((206, 214, 222), (228, 232, 236), (246, 248, 250)),  # snow
    ((44, 40, 52), (86, 74, 92), (150, 128, 140)),  # dusk
    ((110, 62, 42), (160, 92, 62), (204, 148, 112)),  # brick
    ((84, 56, 34), (134, 94, 58), (188, 146, 98)),  # wood
    ((176, 168, 150), (206, 200, 186), (232, 228, 218)),  # plaster
    ((22, 24, 30), (46, 50, 60), (92, 98, 110)),  # night
    ((60, 92, 90), (112, 146, 140), (182, 206, 196)),  # teal
    ((150, 96, 104), (196, 146, 146), (232, 200, 192)),  # rose
    ((128, 118, 60), (182, 166, 92), (224, 212, 150)),  # straw
)


def background(seed: Sequence[int], side: int = 320) -> npt.NDArray[np.uint8]:
    """Return `[side side 3]` RGB; the drawing depends only on the seed, not on `side`."""
    rng = np.random.default_rng(list(seed))
    picture = PAINTERS[int(rng.integers(len(PAINTERS)))](rng, side)
    picture = picture * _light(rng, side)
    grain = 0.03 * float(rng.random()) * (_noise(rng, side, (96,)) - 0.5)
    image = Image.fromarray((255 * np.clip(picture + grain[..., None], 0, 1)).astype(np.uint8))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.012)) * side))
    return np.asarray(image)


def _light(rng: np.random.Generator, side: int) -> Floats:
    """Return `[side side 1]`: light that falls off to one side, around 1."""
    y, x = _grid(side)
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.35)
    slope = (x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle)
    light: Floats = (1 + strength * slope).astype(np.float32)[..., None]
    return light


def _grid(side: int) -> tuple[Floats, Floats]:
    line = ((np.arange(side, dtype=np.float32) + 0.5) / side).astype(np.float32)
    return line[:, None], line[None, :]


def _noise(rng: np.random.Generator, side: int, cells: Sequence[int]) -> Floats:
    """Return `[side side]` value noise in 0..1, one octave per entry of `cells`."""
    total = np.zeros((side, side), np.float32)
    weight, weights = 1.0, 0.0
    for count in cells:
        lattice = Image.fromarray(rng.random((count, count), dtype=np.float32))
        total += weight * np.asarray(lattice.resize((side, side), Image.Resampling.BICUBIC))
        weights += weight
        weight *= 0.55
    spread: Floats = np.clip((total / weights - 0.5) * 1.5 + 0.5, 0, 1)
    return spread


def _palette(rng: np.random.Generator) -> Floats:
    """Return three colours `[3 3]` in 0..1, dark to light, slightly varied from a palette."""
    colours = np.asarray(_PALETTES[int(rng.integers(len(_PALETTES)))], np.float32) / 255
    moved = colours * rng.uniform(0.8, 1.2) + rng.normal(0, 0.03, 3)
    return np.clip(moved, 0, 1).astype(np.float32)


def _coloured(values: Floats, palette: Floats) -> Floats:
    """Return values in 0..1 as the colours of a palette, `[... 3]`."""
    table = np.stack(
        [np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, 3), palette[:, c]) for c in range(3)],
        axis=-1,
    ).astype(np.float32)
    painted: Floats = table[np.clip(values * 255, 0, 255).astype(np.uint8)]
    return painted


def _colour(rng: np.random.Generator, palette: Floats) -> tuple[int, int, int]:
    r, g, b = 255 * np.clip(palette[int(rng.integers(3))] * rng.uniform(0.7, 1.25), 0, 1)
    return int(r), int(g), int(b)


def _to_image(picture: Floats) -> Image.Image:
    return Image.fromarray((255 * np.clip(picture, 0, 1)).astype(np.uint8))


def _to_floats(image: Image.Image) -> Floats:
    return (np.asarray(image) / np.float32(255)).astype(np.float32)


def _gradient(rng: np.random.Generator, side: int) -> Floats:
    """Paint one soft gradient."""
    y, x = _grid(side)
    angle = rng.uniform(0, 2 * np.pi)
    slope = 0.5 + 0.7 * ((x - 0.5) * np.cos(angle) + (y - 0.5) * np.sin(angle))
    return _coloured(slope.astype(np.float32), _palette(rng))


def _cloudy(rng: np.random.Generator, side: int) -> Floats:
    """Paint multi-octave noise: foliage, stone, water."""
    base = int(rng.integers(2, 9))
    cells = [base * 2**octave for octave in range(int(rng.integers(3, 6)))]
    return _coloured(_noise(rng, side, cells), _palette(rng))


def _landscape(rng: np.random.Generator, side: int) -> Floats:
    """Paint a sky over hills over a ground."""
    y, x = _grid(side)
    horizon = rng.uniform(0.3, 0.65)
    top, bottom = rng.uniform((0.25, 0.45, 0.7), (0.55, 0.72, 0.98)), rng.uniform(0.75, 0.97, 3)
    sky = top + (bottom - top) * np.clip(y / horizon, 0, 1)[..., None]
    clouds = np.clip(_noise(rng, side, (3, 6, 12, 24)) - rng.uniform(0.4, 0.7), 0, 1) * 2
    picture = sky + clouds[..., None] * (0.96 - sky)
    for depth in range(int(rng.integers(0, 4))):
        ridge = _noise(rng, side, (3 + 2 * depth, 9))[:1] - 0.5
        hill = _palette(rng)[1] * (0.8 + 0.3 * _noise(rng, side, (8, 32)))[..., None]
        line = horizon - 0.12 + 0.05 * depth + 0.25 * ridge
        picture = np.where((y > line)[..., None], hill, picture)
    ground = _coloured(_noise(rng, side, (4, 12, 36, 72)), _palette(rng))
    picture = np.where((y > horizon + 0 * x)[..., None], ground, picture)
    return picture.astype(np.float32)


def _planks(rng: np.random.Generator, side: int) -> Floats:
    """Paint boards with a grain along them."""
    y, x = _grid(side)
    count = int(rng.integers(3, 14))
    across, along = (y, x) if rng.random() < 0.5 else (x, y)
    board = np.floor(across * count).astype(int)
    tone = rng.uniform(0.25, 0.75, count)[board]
    bend = _noise(rng, side, (2, 5)) * 6
    grain = 0.12 * np.sin(across * count * 25 + bend + 3 * along)
    gap = np.where((across * count) % 1 < 0.05, -0.3, 0.0)
    return _coloured((tone + grain + gap).astype(np.float32), _palette(rng))


def _bricks(rng: np.random.Generator, side: int) -> Floats:
    """Paint a wall of bricks or a floor of tiles."""
    y, x = _grid(side)
    rows = int(rng.integers(5, 18))
    ratio = rng.uniform(1, 3)
    row = np.floor(y * rows).astype(int)
    shifted = x * rows / ratio + 0.5 * (row % 2) * (rng.random() < 0.7)
    column = np.floor(shifted).astype(int)
    tone = rng.uniform(0.3, 0.8, 997)[(row * 131 + column * 17) % 997]
    joint = ((y * rows) % 1 < 0.08) | (shifted % 1 < 0.08 / ratio)
    palette = _palette(rng)
    wall = _coloured((tone + 0.3 * (_noise(rng, side, (24, 64)) - 0.5)).astype(np.float32), palette)
    return np.where(joint[..., None], palette[int(rng.integers(3))], wall).astype(np.float32)


def _stripes(rng: np.random.Generator, side: int) -> Floats:
    """Paint curtains, wallpaper or fields: soft or hard stripes at any angle."""
    y, x = _grid(side)
    angle, count = rng.uniform(0, np.pi), rng.uniform(3, 16)
    wave = np.sin(2 * np.pi * count * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 6))
    wave = np.clip(wave * rng.uniform(0.5, 6), -1, 1) * rng.uniform(0.15, 0.5)
    texture = 0.3 * (_noise(rng, side, (4, 16, 64)) - 0.5)
    return _coloured((0.5 + wave + texture).astype(np.float32), _palette(rng))


def _blobs(rng: np.random.Generator, side: int) -> Floats:
    """Paint out-of-focus clutter: soft ellipses over noise."""
    image = _to_image(_cloudy(rng, side))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(8, 40))):
        x, y = rng.uniform(-0.1, 1.1, 2) * side
        a, b = rng.uniform(0.02, 0.2, 2) * side
        draw.ellipse((x - a, y - b, x + a, y + b), fill=_colour(rng, _palette(rng)))
    return _to_floats(image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.03)) * side)))


def _polygons(rng: np.random.Generator, side: int) -> Floats:
    """Paint hard-edged shapes over a gradient."""
    image = _to_image(_gradient(rng, side))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 24))):
        centre, radius = rng.uniform(0, 1, 2), rng.uniform(0.04, 0.3)
        turns = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        ring = centre + radius * np.stack((np.cos(turns), np.sin(turns)), axis=-1)
        draw.polygon(
            [(float(px), float(py)) for px, py in ring * side], _colour(rng, _palette(rng))
        )
    return _to_floats(image)


def _room(rng: np.random.Generator, side: int) -> Floats:
    """Paint a wall with a few frames on it, over a floor."""
    y, _ = _grid(side)
    wall = (_stripes, _gradient, _bricks, _gradient)[int(rng.integers(4))](rng, side)
    floor = (_planks, _cloudy, _bricks)[int(rng.integers(3))](rng, side)
    edge = rng.uniform(0.55, 0.85)
    picture = np.where((y > edge)[..., None], floor, wall)
    picture = np.where((np.abs(y - edge) < 0.012)[..., None], _palette(rng)[2], picture)
    image = _to_image(picture.astype(np.float32))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(0, 4))):
        left, top = rng.uniform(0, 0.8) * side, rng.uniform(0.02, 0.35) * side
        right, bottom = left + rng.uniform(0.08, 0.3) * side, top + rng.uniform(0.08, 0.3) * side
        rim = max(1, side // 80)
        palette = _palette(rng)
        fill, outline = _colour(rng, palette), _colour(rng, palette)
        draw.rectangle((left, top, right, bottom), fill=fill, outline=outline, width=rim)
    return _to_floats(image)


def _street(rng: np.random.Generator, side: int) -> Floats:
    """Paint houses with windows between a sky and a road."""
    y, _ = _grid(side)
    horizon = float(rng.uniform(0.5, 0.75))
    sky = _gradient(rng, side)
    road = _coloured(0.6 * _noise(rng, side, (8, 32, 96)), _palette(rng))
    image = _to_image(np.where((y > horizon)[..., None], road, sky).astype(np.float32))
    draw = ImageDraw.Draw(image)
    left = 0.0
    while left < 1:
        width, roof = rng.uniform(0.1, 0.3), rng.uniform(0.05, horizon - 0.1)
        palette = _palette(rng)
        box = [v * side for v in (left, roof, left + width, horizon)]
        draw.rectangle(box, fill=_colour(rng, palette))
        _windows(rng, draw, box, _colour(rng, _palette(rng)))
        left += width
    return _to_floats(image)


def _windows(
    rng: np.random.Generator,
    draw: ImageDraw.ImageDraw,
    box: Sequence[float],
    fill: tuple[int, int, int],
) -> None:
    left, top, right, bottom = box
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 7))
    step_x, step_y = (right - left) / columns, (bottom - top) / rows
    for row in range(rows):
        for column in range(columns):
            x, y = left + (column + 0.25) * step_x, top + (row + 0.2) * step_y
            draw.rectangle((x, y, x + 0.5 * step_x, y + 0.55 * step_y), fill=fill)


PAINTERS: tuple[Painter, ...] = (
    _gradient,
    _cloudy,
    _cloudy,
    _landscape,
    _landscape,
    _landscape,
    _planks,
    _bricks,
    _stripes,
    _blobs,
    _blobs,
    _polygons,
    _room,
    _room,
    _room,
    _street,
    _street,
)
