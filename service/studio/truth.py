"""A layer in the layout of RA-SSU that training reads (`training/data/README.md`).

A second has the masks of the annotation frame that is nearest to its middle; a track sounds in it
if it does in that moment. A track that has no mask at all is among the `unseen`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from service.studio.answers import sentence_of, sounding_at
from service.studio.layers import ClipShape, Layer, LayerTrack
from service.studio.stop import Stop

_CLOSE = 1e-6


def seconds_of(shape: ClipShape) -> int:
    """Return how many seconds of a clip have a middle, at least one."""
    return max(1, math.floor(shape.duration + 0.5 - _CLOSE))


def frame_of(second: int, shape: ClipShape, fps: float) -> int:
    """Return the annotation frame that is nearest to the middle of a second, the earlier of two."""
    return min(shape.frames - 1, math.ceil((second + 0.5) * fps - 0.5 - _CLOSE))


def truth_of(
    layer: Layer, shape: ClipShape, *, fps: float, film: str, stop: Stop
) -> dict[str, Any]:
    """Return the truth file of a layer."""
    count = seconds_of(shape)
    seen = [track for track in layer.tracks if track.masks]
    unseen = [track for track in layer.tracks if not track.masks and track.intervals]
    spans = [(track.category, _times(track)) for track in unseen]
    spans += [(one.category, [(s.start, s.end) for s in one.intervals]) for one in layer.heard]
    return {
        "film": film,
        "height": shape.height,
        "width": shape.width,
        "seconds": count,
        "unlabelled": [],
        "unseen": _unseen(spans, count, stop),
        "sources": [
            {"category": track.category, "seconds": list(_seconds(track, shape, fps, count))}
            for track in stop.each(seen)
        ],
    }


def _times(track: LayerTrack) -> list[tuple[float, float]]:
    return [(one.start, one.end) for one in track.intervals]


def _unseen(
    spans: list[tuple[str, list[tuple[float, float]]]], count: int, stop: Stop
) -> list[dict[str, Any]]:
    found: dict[str, list[bool]] = {}
    for category, times in stop.each(spans):
        sounding = found.setdefault(category, [False] * count)
        for second in range(count):
            middle = second + 0.5
            sounding[second] |= any(start <= middle < end for start, end in times)
    return [{"category": name, "sounding": found[name]} for name in sorted(found)]


def _seconds(
    track: LayerTrack, shape: ClipShape, fps: float, count: int
) -> Iterator[dict[str, Any]]:
    masks = {one.frame: one.mask for one in track.masks}
    for second in range(count):
        mask = masks.get(frame_of(second, shape, fps))
        interval = sounding_at(track, second + 0.5)
        if mask is None and interval is None:
            continue
        said = None if interval is None else sentence_of(track, interval) or track.category
        yield {
            "second": second,
            "sounding": interval is not None,
            "mask": None if mask is None else {"size": list(mask.size), "counts": mask.counts},
            "sentence": said or "",
        }
