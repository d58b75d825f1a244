"""Contact pictures of scenes, for people to look at."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from training.scene import Scene, Source

COLOURS = ((255, 60, 60), (60, 220, 60), (80, 140, 255), (255, 200, 0), (230, 80, 230))
"""Outlines of sources, in their order; what is silent gets a thin grey line."""

_SILENT = (150, 150, 150)
_LINE = 12
_TEXT_LINES = 9
_SOUND_HEIGHT = 28


def show(scene: Scene, *, tile: int = 224) -> Image.Image:
    """Return a scene as one row: frames with outlines, the sound below, then the sentences."""
    seconds = len(scene.frames)
    sheet = Image.new("RGB", (seconds * tile, tile + _SOUND_HEIGHT + _TEXT_LINES * _LINE), "white")
    draw = ImageDraw.Draw(sheet)
    for second in range(seconds):
        left = second * tile
        frame = Image.fromarray(_outlined(scene, second))
        sheet.paste(frame.resize((tile, tile), Image.Resampling.LANCZOS), (left, 0))
        _draw_sound(draw, scene.waveform[second], left, tile)
        top = tile + _SOUND_HEIGHT
        for line, colour in _lines(scene.sources, second, tile // 6):
            draw.text((left + 3, top), line, fill=colour, font=ImageFont.load_default(10))
            top += _LINE
    return sheet


def save(path: Path, scenes: Iterator[Scene] | list[Scene], *, tile: int = 224) -> None:
    """Write a PNG with one row per scene."""
    rows = [show(scene, tile=tile) for scene in scenes]
    width, height = max(row.width for row in rows), sum(row.height for row in rows)
    sheet = Image.new("RGB", (width, height), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    sheet.save(path)


def _outlined(scene: Scene, second: int) -> npt.NDArray[np.uint8]:
    frame: npt.NDArray[np.uint8] = scene.frames[second].copy()
    for number, source in enumerate(scene.sources):
        sounds = bool(source.sounding[second])
        edge = _edge(source.masks[second], 5 if sounds else 3)
        frame[edge] = COLOURS[number % len(COLOURS)] if sounds else _SILENT
    return frame


def _edge(mask: npt.NDArray[np.bool_], width: int) -> npt.NDArray[np.bool_]:
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    inner = np.asarray(image.filter(ImageFilter.MinFilter(width))) > 0
    edge: npt.NDArray[np.bool_] = mask & ~inner
    return edge


def _draw_sound(
    draw: ImageDraw.ImageDraw, samples: npt.NDArray[np.float32], left: int, tile: int
) -> None:
    """Draw the loudness of a second as columns, from -50 dB up."""
    blocks = samples[: len(samples) // tile * tile].reshape(tile, -1)
    level = 20 * np.log10(np.sqrt(np.mean(blocks**2, axis=1)) + 1e-6)
    heights = np.clip((level + 50) / 50, 0, 1) * (_SOUND_HEIGHT - 2)
    bottom = tile + _SOUND_HEIGHT - 1
    for column, height in enumerate(heights):
        draw.line((left + column, bottom - int(height), left + column, bottom), fill=(90, 90, 110))
    draw.line((left, tile, left, bottom), fill="black")


def _lines(
    sources: tuple[Source, ...], second: int, width: int
) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Yield what is said of a second, in lines with the colour of their source."""
    for number, source in enumerate(sources):
        if source.sounding[second]:
            r, g, b = COLOURS[number % len(COLOURS)]
            for line in textwrap.wrap(source.sentences[second], width):
                yield line, (r * 2 // 3, g * 2 // 3, b * 2 // 3)
        else:
            yield f"({source.category} is silent)", _SILENT
