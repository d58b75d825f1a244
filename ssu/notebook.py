"""How an answer looks in a notebook."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ssu.answers import Answer, Track


def page(answer: Answer, sheet: bytes | None) -> str:
    """Return HTML with the contact sheet, a PNG, if there is one, and a row for each track."""
    clip, model = answer.clip, answer.model
    parts = [f"<p>{clip.duration:g} s, {clip.width}x{clip.height}, {escape(model.name)}</p>"]
    parts += [f"<p><b>{escape(one.code)}</b> {escape(one.message)}</p>" for one in answer.warnings]
    if sheet is not None:
        png = b64encode(sheet).decode()
        parts.append(f'<img alt="contact sheet" src="data:image/png;base64,{png}"/>')
    if answer.tracks:
        rows = "".join(map(_row, answer.tracks))
        parts.append(f"<table><tr><th>track<th>category<th>sounds<th>sentences</tr>{rows}</table>")
    else:
        parts.append("<p>nothing that sounds is seen</p>")
    return "".join(parts)


def _row(track: Track) -> str:
    times = ", ".join(f"{one.start:g}-{one.end:g} s" for one in track.intervals)
    said = "<br>".join(escape(one.text) for one in track.sentences)
    return f"<tr><td>{track.id}<td>{escape(track.category)}<td>{times}<td>{said}</tr>"
