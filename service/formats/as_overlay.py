"""The film with coloured masks, sentences and its own sound: H.264 in fragmented MP4."""

from __future__ import annotations

from typing import IO

from service.film.drawn import draw
from service.formats.format import Format, Material, Need
from ssuformer.errors import OptionError


def write(material: Material, out: IO[bytes]) -> None:
    """Write the film while the clip is decoded; a ClipError if it cannot be."""
    if material.clip is None:
        raise OptionError("format: overlay needs the clip, too")
    draw(
        material.clip,
        material.answer,
        overlay=out,
        sheet=None,
        title=material.name,
        threads=material.threads,
    )


FORMAT = Format(
    summary="the film with coloured masks, sentences and its own sound",
    media_type="video/mp4",
    suffix=".overlay.mp4",
    write=write,
    needs=frozenset({Need.CLIP, Need.PICTURES}),
)
