"""A wire between gateway and server that a test can cut, or let fall silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PIECE = 65_536


class Wire:
    """Passes connections on to an address until it is told otherwise."""

    def __init__(self, address: str) -> None:
        self.address = ""
        """Where it listens."""
        self.cuts = 0
        self._to_host, _, port = address.rpartition(":")
        self._to_port = int(port)
        self._connections: set[asyncio.StreamWriter] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._cut_at: dict[str, int] = {}

    def cut(self) -> None:
        """Reset all connections there are; new ones are passed on."""
        for writer in self._connections:
            writer.transport.abort()
        self.cuts += bool(self._connections)
        self._connections.clear()

    def cut_once_passed(self, *, up: int = 0, down: int = 0) -> None:
        """Cut as soon as so many more bytes have gone to the server, then so many have come."""
        self._cut_at = {"up": up, "down": down}

    def fall_silent(self) -> None:
        """Pass nothing on from now on, without a word to either end."""
        self._passing.clear()

    def mend(self) -> None:
        """Drop what was silent, and pass new connections on."""
        self.cut()
        self._passing.set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on until either end hangs up."""
        await self._passing.wait()
        try:
            there, back = await asyncio.open_connection(self._to_host, self._to_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, back}
        self._connections |= ends
        try:
            await asyncio.gather(self._pump(reader, back, "up"), self._pump(there, writer, "down"))
        finally:
            self._connections -= ends
            for end in ends:
                end.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str
    ) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                await self._passing.wait()
                if self._cuts_now(way, len(piece)):
                    self.cut()
                    return
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()

    def _cuts_now(self, way: str, size: int) -> bool:
        """Count bytes to the place where to cut: first those going up, then those coming down."""
        if not self._cut_at or (way == "down" and self._cut_at["up"] > 0):
            return False
        self._cut_at[way] -= size
        if self._cut_at["up"] > 0 or self._cut_at["down"] > 0:
            return False
        self._cut_at = {}
        return True


@asynccontextmanager
async def wire(address: str) -> AsyncIterator[Wire]:
    """Lay a wire to an address."""
    laid = Wire(address)
    server = await asyncio.start_server(laid.accept, "127.0.0.1", 0)
    laid.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield laid
    finally:
        server.close()
        laid.mend()
