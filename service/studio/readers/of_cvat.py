"""CVAT for video 1.1: tracks of polygons, boxes or masks; each holds until the next key frame.

Tracks with the same `group_id`, if it is not 0, are one source, as `service.formats.as_cvat_masks`
writes them. The sentence is the attribute `sentence` of a shape.
"""

from __future__ import annotations

from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np

from service.studio.layers import ClipShape
from service.studio.readers.documents import xml_in
from service.studio.readers.gathered import Gathered, box_mask, rings_mask, sampled
from ssuformer.errors import ImportInvalid
from ssuformer.masks import Mask

_SHAPES = frozenset(("polygon", "box", "mask"))


class _Key(NamedTuple):
    shape: Element
    place: str


def read(content: bytes, gathered: Gathered) -> None:
    """Read a document; raise ImportInvalid if it is none of CVAT's for video."""
    root = xml_in(content, gathered)
    if root.tag != "annotations":
        raise gathered.wrong("its head", f"it is a document of {root.tag[:40]}, not of CVAT's")
    for number, track in enumerate(root.iter("track")):
        place = f"track {track.get('id', number)}"
        keys: dict[int, _Key | None] = {}
        for shape in track:
            if shape.tag in _SHAPES:
                frame = _number(shape, "frame", gathered, place)
                outside = shape.get("outside") == "1"
                keys[frame] = None if outside else _Key(shape, f"{place}, frame {frame}")
        _read_track(track, keys, gathered, number)


def _read_track(
    track: Element, keys: dict[int, _Key | None], gathered: Gathered, number: int
) -> None:
    group = track.get("group_id", "0")
    source = f"group {group}" if group != "0" else f"track {number}"
    drawn: dict[str, Mask] = {}
    for frame, key in sampled(keys, gathered.target):
        if key.place not in drawn:
            drawn[key.place] = _mask(key, gathered)
        gathered.see(
            source, track.get("label"), frame, drawn[key.place],
            place=key.place, sentence=_sentence(key.shape),
        )  # fmt: skip


def _sentence(shape: Element) -> str | None:
    for one in shape.iter("attribute"):
        if one.get("name") == "sentence":
            return one.text
    return None


def _mask(key: _Key, gathered: Gathered) -> Mask:
    size = gathered.target.shape

    def wrong(what: str) -> ImportInvalid:
        return gathered.wrong(key.place, what)

    if key.shape.tag == "mask":
        return _runs_mask(key, gathered, size)
    if key.shape.tag == "box":
        left, top, right, bottom = (
            _real(key, name, gathered) for name in ("xtl", "ytl", "xbr", "ybr")
        )
        return box_mask((left, top, right - left, bottom - top), size, wrong)
    ring: list[float] = []
    for corner in key.shape.get("points", "").split(";"):
        try:
            x, y = map(float, corner.split(","))
        except ValueError as error:
            raise wrong(f"{corner[:40]!r} is no corner") from error
        ring += [x, y]
    return rings_mask([ring], size, wrong)


def _runs_mask(key: _Key, gathered: Gathered, size: ClipShape) -> Mask:
    """Return a mask of runs row by row in a box, background first."""
    left, top, width, height = (
        _number(key.shape, name, gathered, key.place) for name in ("left", "top", "width", "height")
    )
    if left + width > size.width or top + height > size.height:
        raise gathered.wrong(key.place, "the mask lies beside the picture")
    written = key.shape.get("rle", "").replace(",", " ").split()
    if not all(one.isdecimal() and len(one) < 10 for one in written):
        raise gathered.wrong(key.place, "the mask has no run-lengths")
    runs = [int(one) for one in written]
    if sum(runs) != width * height:
        raise gathered.wrong(key.place, "the run-lengths are not those of the box")
    mask = np.zeros((size.height, size.width), bool)
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask[top : top + height, left : left + width] = inside.reshape(height, width)
    return mask


def _number(shape: Element, name: str, gathered: Gathered, place: str) -> int:
    value = shape.get(name, "")
    if not value.isdecimal() or len(value) > 9:
        raise gathered.wrong(place, f"{name} is {value[:20]!r}, which is no number")
    return int(value)


def _real(key: _Key, name: str, gathered: Gathered) -> float:
    try:
        return float(key.shape.get(name, ""))
    except ValueError as error:
        raise gathered.wrong(key.place, f"{name} is no number") from error
