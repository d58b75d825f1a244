"""What a text in the studio may be: one line in any script, without what turns other letters."""

from __future__ import annotations

import re
import unicodedata

_BREAKS = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Categories of Unicode: controls, halves of letters, and line breaks."""
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make what follows look like something else."""


def allowed(letter: str) -> bool:
    """Return whether a letter may be in a text."""
    return letter not in _TURNING and unicodedata.category(letter) not in _BREAKS


def is_line(text: str) -> bool:
    """Return whether a text is one line without controls."""
    return all(map(allowed, text))


def as_line(text: str) -> str:
    """Return a text with one space in the place of letters that are not allowed, and of spaces."""
    return re.sub(" +", " ", "".join(c if allowed(c) else " " for c in text)).strip()
