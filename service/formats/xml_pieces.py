"""Write XML element by element; texts may hold any Unicode."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO
from xml.sax.saxutils import escape, quoteattr

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML 1.0 document can hold, escaped or not."""
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


class XmlWriter:
    """Writes one document, indented, in UTF-8."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._depth = 0
        out.write(_DECLARATION)

    @contextmanager
    def element(self, name: str, attributes: Mapping[str, object] | None = None) -> Iterator[None]:
        """Open an element for what is written inside the block."""
        self._write(f"<{name}{_written(attributes)}>")
        self._depth += 1
        yield
        self._depth -= 1
        self._write(f"</{name}>")

    def leaf(
        self, name: str, text: object = "", attributes: Mapping[str, object] | None = None
    ) -> None:
        """Write an element with a text, or an empty one."""
        inner = escape(clean(str(text)), {"\r": "&#13;"})
        end = f">{inner}</{name}>" if inner else "/>"
        self._write(f"<{name}{_written(attributes)}{end}")

    def _write(self, line: str) -> None:
        self._out.write(b" " * self._depth + line.encode() + b"\n")


def _written(attributes: Mapping[str, object] | None) -> str:
    pairs = (attributes or {}).items()
    return "".join(f" {name}={quoteattr(clean(str(value)))}" for name, value in pairs)


def clean(text: str) -> str:
    """Return a text with U+FFFD in place of what no XML document can hold."""
    return _FORBIDDEN.sub("\ufffd", text)
