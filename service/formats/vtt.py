"""Times and texts in WebVTT (https://www.w3.org/TR/webvtt1/)."""

from __future__ import annotations

from service.formats.cues import line

HEADER = b"WEBVTT\n\n"
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def clock(seconds: float) -> str:
    """Return a time in the form `00:01:02.500`."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}.{milliseconds % 1000:03}"


def times(start: float, end: float) -> str:
    """Return the first line of a cue; a cue lasts a millisecond at least."""
    return f"{clock(start)} --> {clock(max(end, start + 0.001))}"


def escape(text: str) -> str:
    """Return a text as the content of a cue: one line, without markup."""
    return line(text).translate(_ENTITIES)
