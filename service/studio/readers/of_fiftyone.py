"""FiftyOne's video labels, as `service.formats.as_fiftyone` writes them: ETA's documents."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from typing import Any

import numpy as np

from service.studio.readers.documents import json_in, member, members
from service.studio.readers.gathered import Gathered, box_mask
from ssuformer.masks import Mask

_HEAD = 4096
"""Bytes of an array's head, at most."""


def read(content: bytes, gathered: Gathered) -> None:
    """Read the labels of a film; raise ImportInvalid if they are none."""
    document = json_in(content, gathered)
    frames = member(document, "frames", dict, gathered, "the document")
    target = gathered.target
    for frame in range(target.shape.frames):
        number = str(target.film_frame(frame) + 1)
        if number not in frames:
            continue
        found, place = frames[number], f"frame {number}"
        objects = (found.get("objects") or {}) if isinstance(found, dict) else {}
        for where, one in members({"objects": [], **objects}, "objects", gathered, place):
            _read_object(one, frame, gathered, f"{place}, {where}")
        for name in _attributes(found, "heard"):
            start, end = frame / target.fps, (frame + 1) / target.fps
            gathered.hear(name, start, end, place=place)


def _read_object(one: dict[str, Any], frame: int, gathered: Gathered, place: str) -> None:
    label = member(one, "label", str, gathered, place)
    box = _box(one, gathered, place)
    mask = box_mask(box, gathered.target.shape, lambda what: gathered.wrong(place, what))
    if one.get("mask") is not None:
        packed = _unpacked(member(one, "mask", str, gathered, place), gathered, place)
        mask = _placed(packed, box, gathered, place)
    said = next(iter(_attributes(one, "sentence")), None)
    gathered.see(one.get("index", label), label, frame, mask, place=place, sentence=said)


def _attributes(thing: Any, name: str) -> list[Any]:  # noqa: ANN401
    attributes = (thing.get("attrs") or {}).get("attrs") if isinstance(thing, dict) else None
    return [
        one.get("value")
        for one in attributes or ()
        if isinstance(one, dict) and one.get("name") == name
    ]


def _box(one: dict[str, Any], gathered: Gathered, place: str) -> tuple[float, float, float, float]:
    box = member(one, "bounding_box", dict, gathered, place)
    first = member(box, "top_left", dict, gathered, place)
    last = member(box, "bottom_right", dict, gathered, place)
    left, top, right, bottom = (
        member(corner, side, float, gathered, place) for corner in (first, last) for side in "xy"
    )
    width, height = gathered.target.shape.width, gathered.target.shape.height
    return left * width, top * height, (right - left) * width, (bottom - top) * height


def _unpacked(text: str, gathered: Gathered, place: str) -> Mask:
    """Return an array that ETA has packed; one larger than the picture is not unpacked."""
    size = gathered.target.shape.height * gathered.target.shape.width
    try:
        unzip = zlib.decompressobj()
        content = unzip.decompress(base64.b64decode(text, validate=True), size + _HEAD)
        file = io.BytesIO(content)
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(version)
        shape, fortran, kind = np.lib.format.read_array_header_1_0(file)
        if fortran or kind not in (np.dtype(bool), np.dtype(np.uint8)) or len(shape) != 2:
            raise ValueError(shape)
        flat = np.frombuffer(content, np.uint8, int(shape[0]) * int(shape[1]), file.tell())
        return flat.reshape(shape) > 0
    except (ValueError, OverflowError, zlib.error, binascii.Error) as error:
        raise gathered.wrong(place, "the mask is no array that ETA has packed") from error


def _placed(
    packed: Mask, box: tuple[float, float, float, float], gathered: Gathered, place: str
) -> Mask:
    shape = gathered.target.shape
    left, top = round(box[0]), round(box[1])
    height, width = packed.shape
    fits = 0 <= left <= shape.width - width and 0 <= top <= shape.height - height
    if not fits:
        raise gathered.wrong(place, "the mask lies beside the picture")
    mask = np.zeros((shape.height, shape.width), bool)
    mask[top : top + height, left : left + width] = packed
    return mask
