"""WebVTT captions: a cue for each sentence, at the place of its source.

The voice of a cue is category and track, its identifier `track-` and the number of the track. The
regions themselves, second by second, are in `webvtt-metadata`.
"""

from __future__ import annotations

from typing import IO

from service.formats.cues import Cue, cues_of
from service.formats.format import Format, Material
from service.formats.pixels import box_in
from service.formats.vtt import HEADER, escape, times
from service.understanding.schemas import Understanding


def write(material: Material, out: IO[bytes]) -> None:
    """Write the captions, in UTF-8."""
    out.write(HEADER)
    for cue in cues_of(material.answer):
        name = "unseen" if cue.track is None else f"track-{cue.track}"
        settings = _place(cue, material.answer)
        said = f"<v {escape(cue.speaker)}>{escape(cue.text)}</v>"
        out.write(f"{name}\n{times(cue.start, cue.end)}{settings}\n{said}\n\n".encode())


def _place(cue: Cue, answer: Understanding) -> str:
    """Return where a cue is shown: under its source's box when it begins, else at the bottom."""
    for frame in answer.analysed:
        for region in frame.regions:
            if region.track == cue.track and cue.start <= frame.time <= cue.end:
                x, y, width, height = box_in(region, answer)
                across = round(100 * (x + width / 2) / answer.clip.width)
                down = min(90, round(100 * (y + height) / answer.clip.height))
                return f" line:{down}% position:{across}% align:center"
    return ""


FORMAT = Format(
    summary="WebVTT captions, each at the place of its source",
    media_type="text/vtt",
    suffix=".vtt",
    write=write,
)
