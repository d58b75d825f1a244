"""A clip to be sent: a file that is read piece by piece, or bytes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from anyio import to_thread

_PIECE = 2**20

ClipSource = str | os.PathLike[str] | bytes | IO[bytes]
"""Path of a clip, its bytes, or a file that is open for reading."""

Sent = Callable[[int], None]
"""Is told the number of bytes sent since the last call."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that can be read more than once."""

    content: Path | bytes

    @classmethod
    def of(cls, source: ClipSource) -> Clip:
        """Return the clip of a source; an open file is read into memory."""
        if isinstance(source, bytes):
            return cls(source)
        if isinstance(source, str | os.PathLike):
            return cls(Path(source))
        return cls(source.read())

    @property
    def size(self) -> int:
        """Its bytes; an OSError if there is no such file."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def pieces(self, sent: Sent) -> Iterator[bytes]:
        """Yield its content, telling what has been sent."""
        if isinstance(self.content, bytes):
            yield self.content
            sent(len(self.content))
            return
        with self.content.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
                sent(len(piece))

    async def read_pieces(self, sent: Sent) -> AsyncIterator[bytes]:
        """Yield its content without holding up the event loop."""
        pieces = self.pieces(sent)
        while (piece := await to_thread.run_sync(next, pieces, None)) is not None:
            yield piece
