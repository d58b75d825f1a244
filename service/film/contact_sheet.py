"""The contact sheet: one tile per moment of the answer, with masks, time and sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from PIL import Image, ImageDraw

from service.film.drawing import (
    ImageArray,
    Line,
    Mark,
    Size,
    blend,
    font,
    line_height,
    lines_of,
    paint,
    plain_lines,
    write,
)
from service.film.film_reader import FilmFrame, FrameConverter

MOST_TILES = 60
_MOST_COLUMNS = 5
_SIDE, _NARROWEST = 384, 288
_GAP, _FACE, _SMALL, _TITLE = 16, 16, 14, 22
_GROUND, _INK, _DIM = (18, 20, 24), (240, 240, 240), (150, 156, 166)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of the clip, in seconds, and its marks, which are read only when needed."""

    time: float
    read_marks: Callable[[], Sequence[Mark]]
    unseen: Sequence[str] = ()
    """Lines about what is heard but not seen."""


@dataclass(frozen=True, slots=True)
class _Tile:
    time: float
    picture: ImageArray
    lines: list[Line]


class ContactSheet:
    """Collects pictures at given moments while the film is decoded, then draws the sheet."""

    def __init__(self, moments: Sequence[Moment], *, width: int, height: int) -> None:
        """Take the moments in order, at most 60 of them, of a film of this size."""
        self._all = len(moments)
        self._waiting = spread(moments, MOST_TILES)
        scale = _SIDE / max(width, height)
        self._size: Size = max(1, round(height * scale)), max(1, round(width * scale))
        self._column = max(self._size[1], _NARROWEST)
        self._converter = FrameConverter(self._size)
        self._tiles: list[_Tile] = []
        self._shown: FilmFrame | None = None

    def add(self, frame: FilmFrame) -> None:
        """Process the next frame of the film."""
        while self._waiting and self._shown and frame.time > self._waiting[0].time:
            self._take(self._waiting.pop(0), self._shown)
        self._shown = frame

    def finish(self) -> None:
        """Use the last picture for all remaining moments."""
        while self._waiting and self._shown:
            self._take(self._waiting.pop(0), self._shown)

    def _take(self, moment: Moment, frame: FilmFrame) -> None:
        marks = moment.read_marks()
        picture = blend(self._converter.picture(frame), paint(marks, self._size))
        lines = lines_of(marks, face_size=_FACE, width=self._column)
        lines += plain_lines(moment.unseen, face_size=_FACE, width=self._column)
        self._tiles.append(_Tile(moment.time, picture, lines))

    @property
    def note(self) -> str | None:
        """A note if some moments are not on the sheet; None if all are."""
        if self._all <= MOST_TILES:
            return None
        return f"{MOST_TILES} of {self._all} moments"

    def save(self, target: Path | IO[bytes], *, title: str, notices: Sequence[str] = ()) -> None:
        """Draw all tiles under a title and the notices about all, and write them as a PNG."""
        self.finish()
        columns = columns_for(len(self._tiles))
        rows = [self._tiles[i : i + columns] for i in range(0, len(self._tiles), columns)]
        heights = [self._height_of(row) for row in rows]
        width = _GAP + max(columns, 2) * (self._column + _GAP)
        texts = [*([self.note] if self.note else []), *notices]
        lines = plain_lines(texts, face_size=_SMALL, width=width - 2 * _GAP)
        head = _GAP + line_height(_TITLE) + len(lines) * line_height(_SMALL) + _GAP
        sheet = Image.new("RGB", (width, head + sum(heights)), _GROUND)
        draw = ImageDraw.Draw(sheet)
        draw.text((_GAP, _GAP), title, fill=_INK, font=font(_TITLE))
        for i, line in enumerate(lines):
            place = (_GAP, _GAP + line_height(_TITLE) + i * line_height(_SMALL))
            draw.text(place, line.text, fill=_DIM, font=font(_SMALL))
        y = head
        for row, height in zip(rows, heights, strict=True):
            for i, tile in enumerate(row):
                self._draw(sheet, draw, tile, at=(_GAP + i * (self._column + _GAP), y))
            y += height
        sheet.save(target, format="PNG")

    def _height_of(self, row: Sequence[_Tile]) -> int:
        most = max(max(len(tile.lines), 1) for tile in row)
        return self._size[0] + line_height(_SMALL) + most * line_height(_FACE) + 2 * _GAP

    def _draw(
        self, sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: _Tile, *, at: tuple[int, int]
    ) -> None:
        x, y = at
        sheet.paste(Image.fromarray(tile.picture), (x + (self._column - self._size[1]) // 2, y))
        y += self._size[0] + _GAP // 4
        draw.text((x, y), clock(tile.time), fill=_DIM, font=font(_SMALL))
        y += line_height(_SMALL)
        write(draw, tile.lines, at=(x, y), face_size=_FACE)
        if not tile.lines:
            draw.text((x, y), "silence", fill=_DIM, font=font(_FACE))


def spread(moments: Sequence[Moment], most: int) -> list[Moment]:
    """Return all moments, or at most `most` of them, evenly spread from the first to the last."""
    if len(moments) <= most:
        return list(moments)
    step = (len(moments) - 1) / (most - 1)
    return [moments[round(i * step)] for i in range(most)]


def columns_for(tiles: int) -> int:
    """Return the number of columns: at most five, with few gaps in the last row."""
    if tiles <= _MOST_COLUMNS:
        return max(tiles, 1)
    return min((5, 4, 3), key=lambda columns: -tiles % columns)


def clock(seconds: float) -> str:
    """Return a time of a clip in the form `0:07.5`, `1:02:03.5`."""
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f"{rest:05.2f}".rstrip("0").rstrip(".")
    return f"{hours}:{minutes:02}:{text}" if hours else f"{minutes}:{text}"
