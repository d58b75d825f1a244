"""Truth files in the layout of RA-SSU that training reads (`training/data/README.md`).

A second's mask is that of the annotation frame nearest to its middle; a source sounds in whole
seconds. `service.studio.truth` writes them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from pydantic import ValidationError

from service.studio.layers import MaskRle
from service.studio.readers.documents import json_in, member, members
from service.studio.readers.gathered import Gathered
from service.studio.truth import frame_of
from ssuformer.masks import Mask


def read(content: bytes, gathered: Gathered) -> None:
    """Read a truth file whose masks are run-lengths; raise ImportInvalid if it is none."""
    read_with(content, gathered, {})


def read_with(content: bytes, gathered: Gathered, pictures: Mapping[str, bytes]) -> None:
    """Read a truth file; `pictures` are the PNGs that it may name, by the names that it gives."""
    document = json_in(content, gathered)
    for number, (place, source) in enumerate(
        members(document, "sources", gathered, "the document")
    ):
        category = member(source, "category", str, gathered, place)
        for where, second in members(source, "seconds", gathered, place):
            _read_second(number, category, second, gathered, f"{place}.{where}", pictures)
    for place, one in members({"unseen": [], **document}, "unseen", gathered, "the document"):
        category = member(one, "category", str, gathered, place)
        for second, sounds in enumerate(member(one, "sounding", list, gathered, place)):
            if sounds:
                gathered.hear(category, float(second), second + 1.0, place=place)


def _read_second(
    number: int,
    category: str,
    second: dict[str, Any],
    gathered: Gathered,
    place: str,
    pictures: Mapping[str, bytes],
) -> None:
    at = member(second, "second", int, gathered, place)
    target = gathered.target
    if not 0 <= at < target.shape.duration:
        raise gathered.wrong(place, f"the clip has no second {at}")
    mask = _mask(second.get("mask"), gathered, place, pictures)
    frame = frame_of(at, target.shape, target.fps)
    gathered.see(number, category, frame, mask, place=place, sounding=False)
    if second.get("sounding"):
        text = second.get("sentence")
        gathered.say(number, category, float(at), at + 1.0, text, place=place, join=True)


def _mask(
    written: Any,  # noqa: ANN401
    gathered: Gathered,
    place: str,
    pictures: Mapping[str, bytes],
) -> Mask | MaskRle | None:
    if written is None:
        return None
    if isinstance(written, dict) and "png" in written:
        value = member(written, "value", int, gathered, place)
        return _picture(member(written, "png", str, gathered, place), gathered, pictures) == value
    try:
        return MaskRle.model_validate(written)
    except ValidationError as error:
        raise gathered.wrong(place, "the mask is no run-lengths") from error


def _picture(name: str, gathered: Gathered, pictures: Mapping[str, bytes]) -> Any:  # noqa: ANN401
    if name not in pictures:
        raise gathered.wrong(name[:80], "the mask's picture is missing")
    shape = gathered.target.shape
    try:
        with Image.open(io.BytesIO(pictures[name]), formats=("PNG",)) as picture:
            if picture.size != (shape.width, shape.height) or picture.mode not in ("P", "L"):
                raise gathered.wrong(name[:80], "it is no indexed picture of the clip's size")
            return np.asarray(picture)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise gathered.wrong(name[:80], "it is no PNG") from error
