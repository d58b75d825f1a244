"""Names of clips that are safe inside documents, archives and headers, whoever chose them."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple, Self

UNNAMED = "clip"
_MOST_CHARACTERS, _MOST_BYTES = 80, 160
"""Of a stem; with the longest suffix of a format it is a file name everywhere."""
_KEPT = frozenset(" ._-()[]+,=@&'!~$^`")
"""Of ASCII, besides letters and digits."""
_JOINERS = "\u200c\u200d"
"""Invisible, but parts of words and of emoji."""
_OUTSIDE = f" .{_JOINERS}"
_DEVICE = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[1-9¹²³])(?= *(?:\.|$))", re.IGNORECASE
)
"""What Windows takes for a device, whatever follows the first dot."""
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")


class ClipName(NamedTuple):
    """The name of a clip's file: no path, no control or reserved characters, not too long."""

    stem: str = UNNAMED
    suffix: str = ""
    """With its dot; empty if there is none."""

    @classmethod
    def of(cls, given: str) -> Self:
        """Return what is safe of a name that anybody may have given, with or without a path."""
        stem, suffix = _parts(given)
        return cls(stem or UNNAMED, suffix)

    def __str__(self) -> str:
        """Return the whole name."""
        return self.stem + self.suffix


def safe_name(given: str) -> str | None:
    """Return what is safe of a name, as a text; None if that is nothing."""
    return "".join(_parts(given)) or None


def _parts(given: str) -> tuple[str, str]:
    """Return stem and suffix; without a stem there is no suffix."""
    base = unicodedata.normalize("NFC", re.split(r"[/\\]", given)[-1])
    stem, dot, ending = base.rpartition(".")
    suffix = dot + ending
    if _SUFFIX.fullmatch(suffix) and (safe := _safe(stem)):
        return safe, suffix
    return _safe(base), ""


def _safe(stem: str) -> str:
    kept = _cut("".join(one if _is_kept(one) else "_" for one in stem))
    return _cut(_DEVICE.sub(r"\1_", kept, count=1)) if _DEVICE.match(kept) else kept


def _cut(stem: str) -> str:
    kept = stem.strip(_OUTSIDE)[:_MOST_CHARACTERS]
    return kept.encode()[:_MOST_BYTES].decode(errors="ignore").strip(_OUTSIDE)


def _is_kept(character: str) -> bool:
    """Return whether it is a letter with its marks, a digit, or a sign that any system allows."""
    if character.isascii():
        return character.isalnum() or character in _KEPT
    return character in _JOINERS or unicodedata.category(character)[0] in "LMNPS"
