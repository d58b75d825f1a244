"""Work in a thread that ends when nobody waits for it any more: a thread cannot be cancelled."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from threading import Event
from typing import IO, TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """Nobody waits for the work any more."""


class Stop:
    """Asked by work between its steps; whoever leaves it sets it."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Let the work end at its next step."""
        self._event.set()

    def check(self) -> None:
        """Raise Stopped once it is set."""
        if self._event.is_set():
            raise Stopped

    def each(self, items: Iterable[T]) -> Iterator[T]:
        """Yield all items; raise Stopped before the next once it is set."""
        for item in items:
            self.check()
            yield item


class StoppableFile(io.BufferedIOBase):
    """Writes to another file, until it is stopped."""

    def __init__(self, file: IO[bytes], stop: Stop) -> None:
        self._file = file
        self._stop = stop

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """Write all; raise Stopped once that is so."""
        self._stop.check()
        return self._file.write(content)
