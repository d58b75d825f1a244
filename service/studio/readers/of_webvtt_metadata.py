"""WebVTT for programs, as `service.formats.as_webvtt_metadata` writes it: boxes of each frame."""

from __future__ import annotations

from typing import Any

from service.studio.readers.documents import cues_in, json_in, member, members
from service.studio.readers.gathered import Gathered, box_mask


def read(content: bytes, gathered: Gathered) -> None:
    """Read a document; raise ImportInvalid if it is none. Masks are boxes, filled."""
    heard: dict[str, list[int]] = {}
    for cue in cues_in(content, gathered):
        said = json_in(cue.text.encode(), gathered)
        time = member(said, "time", float, gathered, cue.place)
        frame = gathered.target.nearest(time)
        scale = _scale(said, gathered, cue.place)
        for place, region in members(said, "regions", gathered, cue.place):
            where = f"{cue.place}, {place}"
            box = member(region, "bbox", list, gathered, where)
            if len(box) != 4 or not all(isinstance(side, int | float) for side in box):
                raise gathered.wrong(where, "the box is no four numbers")
            x, y, width, height = (side * scale[n % 2] for n, side in enumerate(box))
            mask = box_mask(
                (x, y, width, height), gathered.target.shape,
                lambda what, where=where: gathered.wrong(where, what),  # type: ignore[misc]
            )  # fmt: skip
            key, category = region.get("track", region.get("category")), region.get("category")
            text = region.get("description")
            gathered.see(key, category, frame, mask, place=where, sentence=text)
        for place, one in members(said, "heard", gathered, cue.place):
            if one.get("region") is None:
                name = member(one, "category", str, gathered, f"{cue.place}, {place}")
                heard.setdefault(name, []).append(frame)
    for name, frames in heard.items():
        for frame in frames:
            fps = gathered.target.fps
            gathered.hear(name, frame / fps, (frame + 1) / fps, place="heard")


def _scale(said: Any, gathered: Gathered, place: str) -> tuple[float, float]:  # noqa: ANN401
    """Return how much larger the clip is than the document's pictures, across and down."""
    shape = gathered.target.shape
    width = member(said, "width", float, gathered, place)
    height = member(said, "height", float, gathered, place)
    if not 1 <= width < 1e6 or not 1 <= height < 1e6:
        raise gathered.wrong(place, "the size of the picture is none")
    return shape.width / width, shape.height / height
