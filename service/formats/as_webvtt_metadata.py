"""WebVTT for programs (`<track kind="metadata">`): a cue for each frame with its regions as JSON.

    {"regions": [{"track": 1, "category": "dog", "score": 0.9, "bbox": [x, y, w, h],
                  "description": "..."}], "heard": [...]}

Boxes are in pixels of what a player shows, whose size is `width` and `height`.
"""

from __future__ import annotations

import json
from typing import IO, Any

from service.formats.format import Format, Material
from service.formats.pixels import box_in
from service.formats.vtt import HEADER, times
from service.understanding.schemas import Frame, Understanding


def write(material: Material, out: IO[bytes]) -> None:
    """Write a cue for each frame, in ASCII."""
    answer = material.answer
    half = 0.5 * answer.step
    out.write(HEADER)
    for number, frame in enumerate(answer.frames):
        start, end = max(answer.start, frame.time - half), frame.time + half
        content = json.dumps(_content(frame, answer)).replace("-->", "--\\u003e")
        out.write(f"frame-{number}\n{times(start, end)}\n{content}\n\n".encode())


def _content(frame: Frame, answer: Understanding) -> dict[str, Any]:
    return {
        "time": frame.time,
        "width": answer.clip.width,
        "height": answer.clip.height,
        "regions": [
            {
                **region.model_dump(include={"track", "category", "score", "description"}),
                "bbox": box_in(region, answer),
            }
            for region in frame.regions
        ],
        "heard": [each.model_dump() for each in frame.heard],
    }


FORMAT = Format(
    summary="WebVTT for programs, the regions of each frame as JSON",
    media_type="text/vtt; kind=metadata",
    suffix=".metadata.vtt",
    write=write,
)
