"""The contact sheet: a picture of each analysed frame (60 at most) with its masks and sentences."""

from __future__ import annotations

from typing import IO

from service.film.drawn import draw
from service.formats.format import Format, Material, Need
from ssuformer.errors import OptionError


def write(material: Material, out: IO[bytes]) -> None:
    """Write the sheet once the clip is decoded; a ClipError if it cannot be."""
    if material.clip is None:
        raise OptionError("format: sheet needs the clip, too")
    title = f"{material.name}, {material.answer.seconds:g} s"
    draw(
        material.clip,
        material.answer,
        overlay=None,
        sheet=out,
        title=title,
        threads=material.threads,
    )


FORMAT = Format(
    summary="a contact sheet, a PNG",
    media_type="image/png",
    suffix=".sheet.png",
    write=write,
    needs=frozenset({Need.CLIP, Need.PICTURES}),
)
