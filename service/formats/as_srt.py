"""SubRip: the sentences as subtitles."""

from __future__ import annotations

from typing import IO

from service.formats.cues import cues_of, line
from service.formats.format import Format, Material


def write(material: Material, out: IO[bytes]) -> None:
    """Write the subtitles, in UTF-8."""
    for number, cue in enumerate(cues_of(material.answer), start=1):
        times = f"{clock(cue.start)} --> {clock(cue.end)}"
        out.write(f"{number}\n{times}\n{line(cue.text)}\n\n".encode())


def clock(seconds: float) -> str:
    """Return a time in the form `00:01:02,500`."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"


FORMAT = Format(
    summary="SubRip subtitles",
    media_type="application/x-subrip",
    suffix=".srt",
    write=write,
)
