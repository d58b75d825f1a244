"""Bytes on their way from the one who writes them to the one who sends them."""

from __future__ import annotations

import asyncio
import os
import tempfile
from functools import partial

from service.http.threads import in_thread
from service.http.upload import storing
from ssuformer.closing import Closing

IN_MEMORY = 2**20
_PIECE = 2**18


class Spool(Closing):
    """Holds what has been written and not been read: on disk if it is much.

    So a client that reads slowly keeps neither the worker nor memory, and the writer waits for
    nobody.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115
        self._read = self._written = 0
        self._ended = False
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()

    def close(self) -> None:
        """Drop what is still held."""
        self._file.close()

    @property
    def unread(self) -> int:
        """How many bytes have been written and not been read."""
        return self._written - self._read

    async def write(self, piece: bytes) -> None:
        """Add some bytes; raise StorageFull if the disk has no room for them."""
        async with self._lock:
            with storing():
                await in_thread(partial(self._append, piece))
        self._news.set()

    def end(self) -> None:
        """Let the reader know that nothing more will be written."""
        self._ended = True
        self._news.set()

    async def ready(self) -> bool:
        """Wait until there is something to read, or return False: there will be nothing more."""
        while not self.unread and not self._ended:
            self._news.clear()
            await self._news.wait()
        return self.unread > 0

    async def read(self) -> bytes:
        """Return some of what has been written, in order."""
        async with self._lock:
            return await in_thread(self._take)

    def _append(self, piece: bytes) -> None:
        self._file.seek(self._written)
        self._file.write(piece)
        self._file.flush()
        self._written += len(piece)

    def _take(self) -> bytes:
        self._file.seek(self._read)
        piece = self._file.read(_PIECE)
        self._read += len(piece)
        if self._read == self._written:
            self._file.seek(0, os.SEEK_SET)
            self._file.truncate()
            self._read = self._written = 0
        return piece
