"""A connection between page and service that can stand still, or break."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_PIECE = 2**18


class Relay:
    """Passes bytes on between a port of its own and a service."""

    def __init__(self, service: str) -> None:
        where = urlsplit(service)
        self._service = (where.hostname or "", where.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.flowing = threading.Event()
        self.flowing.set()
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def run(self) -> None:
        with suppress(OSError):
            while True:
                page, _ = self._listener.accept()
                service = socket.create_connection(self._service)
                self._sockets += [page, service]
                for pair in ((page, service), (service, page)):
                    thread = threading.Thread(target=self._pass_on, args=pair)
                    self._threads.append(thread)
                    thread.start()

    def cut(self) -> None:
        """Break all connections."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.flowing.set()
        self.cut()
        for thread in self._threads:
            thread.join(10)
        for one in self._sockets:
            one.close()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while piece := one.recv(_PIECE):
                self.flowing.wait()
                other.sendall(piece)
            other.shutdown(socket.SHUT_WR)


@contextmanager
def relayed(service: str) -> Iterator[Relay]:
    relay = Relay(service)
    thread = threading.Thread(target=relay.run)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join(10)
