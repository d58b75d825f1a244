"""Names of clips that are safe inside documents, archives and headers, whoever chose them."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple, Self

UNNAMED = "clip"
_MOST_CHARACTERS, _MOST_BYTES = 80, 160
"""Of a stem; with the longest suffix of a format it is a file name everywhere."""
_KEPT = frozenset(" ._-()[]+,=@&'!~")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}")


class ClipName(NamedTuple):
    """The name of a clip's file: no path, no control or reserved characters, not too long."""

    stem: str = UNNAMED
    suffix: str = ""
    """With its dot; empty if there is none."""

    @classmethod
    def of(cls, given: str) -> Self:
        """Return what is safe of a name that anybody may have given, with or without a path."""
        base = unicodedata.normalize("NFC", re.split(r"[/\\]", given)[-1])
        stem, dot, ending = base.rpartition(".")
        suffix = dot + ending
        if not stem.strip(" .") or not _SUFFIX.fullmatch(suffix):
            stem, suffix = base, ""
        return cls(_safe(stem) or UNNAMED, suffix)

    def __str__(self) -> str:
        """Return the whole name."""
        return self.stem + self.suffix


def safe_name(given: str) -> str:
    """Return what is safe of a name, as a text."""
    return str(ClipName.of(given))


def _safe(stem: str) -> str:
    kept = "".join(one if _is_kept(one) else "_" for one in stem).strip(" .")[:_MOST_CHARACTERS]
    return kept.encode()[:_MOST_BYTES].decode(errors="ignore").strip(" .")


def _is_kept(character: str) -> bool:
    """Return whether it is a letter with its marks, a digit, or harmless everywhere."""
    return character in _KEPT or unicodedata.category(character)[0] in "LMN"
