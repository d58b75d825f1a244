"""COCO's instances, as `service.formats.as_coco` writes them.

An image is the annotation frame nearest to its `time`; without one, that of the number at the end
of its file's name, else of its place in the list. Annotations without `track_id` are a track for
each category.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from service.studio.layers import MaskRle
from service.studio.readers.documents import json_in, member, members
from service.studio.readers.gathered import Gathered, box_mask, rings_mask
from ssuformer.masks import Mask
from ssuformer.run_lengths import mask_of_runs

_NUMBER = re.compile(r"(\d{1,9})\.\w+$")


def read(content: bytes, gathered: Gathered) -> None:
    """Read a document; raise ImportInvalid if it is none of COCO's."""
    document = json_in(content, gathered)
    categories = {
        member(one, "id", int, gathered, place): member(one, "name", str, gathered, place)
        for place, one in members(document, "categories", gathered, "the document")
    }
    frames = {
        member(one, "id", int, gathered, place): _frame(number, one, gathered)
        for number, (place, one) in enumerate(members(document, "images", gathered, "the document"))
    }
    for place, one in members(document, "annotations", gathered, "the document"):
        category = categories.get(member(one, "category_id", int, gathered, place))
        frame = frames.get(member(one, "image_id", int, gathered, place))
        if category is None or frame is None:
            raise gathered.wrong(place, "its category or its image is not in the document")
        mask = _mask(one, gathered, place)
        key = one.get("track_id", f"category {category}")
        said = one.get("caption")
        gathered.see(key, category, frame, mask, place=place, sentence=said)


def _frame(number: int, image: dict[str, Any], gathered: Gathered) -> int:
    time = image.get("time")
    if isinstance(time, int | float) and abs(time) < 1e6:
        return gathered.target.nearest(time)
    found = _NUMBER.search(str(image.get("file_name", "")))
    return int(found[1]) if found else number


def _mask(one: dict[str, Any], gathered: Gathered, place: str) -> Mask | MaskRle:
    shape = gathered.target.shape

    def wrong(what: str) -> Exception:
        return gathered.wrong(place, what)

    written = one.get("segmentation")
    if isinstance(written, list) and written and all(isinstance(r, list) for r in written):
        return rings_mask(written, shape, lambda what: gathered.wrong(place, what))
    if isinstance(written, dict) and isinstance(written.get("counts"), list):
        return _plain(written["counts"], gathered, place)
    if isinstance(written, dict):
        try:
            return MaskRle.model_validate(written)
        except ValidationError as error:
            raise wrong("the segmentation is no run-lengths") from error
    box = one.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise wrong("it has neither a segmentation nor a box")
    x, y, width, height = box
    return box_mask((x, y, width, height), shape, lambda what: gathered.wrong(place, what))


def _plain(counts: list[Any], gathered: Gathered, place: str) -> Mask:
    shape = gathered.target.shape
    fits = all(isinstance(one, int) and one >= 0 for one in counts)
    if not fits or sum(counts) != shape.height * shape.width:
        raise gathered.wrong(place, "the run-lengths are not those of the clip's size")
    return mask_of_runs(counts, (shape.height, shape.width))
