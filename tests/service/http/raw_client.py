"""A client that sends what it likes, byte by byte."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import orjson

from service.cli.temporary_service import hosted
from service.engines.engine import Engine
from service.engines.fake import FakeEngine
from tests.service.conftest import small_settings


class RawClient:
    """One connection to a service."""

    def __init__(self, address: str, sent: bytes = b"", *, buffer: int | None = None) -> None:
        where = urlsplit(address)
        self.socket = socket.socket()
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(20)
        self.socket.connect((where.hostname, where.port))
        self.send(sent)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_or_be_cut_off(self, data: bytes) -> None:
        """Send all that the service takes."""
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def read(self) -> tuple[int, bytes, bytes]:
        """Return status, head and body of the one answer that comes before the end."""
        received = b""
        with self.socket:
            while piece := self.socket.recv(2**16):
                received += piece
        if not received:
            return 0, b"", b""
        head, _, body = received.partition(b"\r\n\r\n")
        return int(head.split()[1]), head, body

    def problem(self) -> tuple[int, str]:
        """Return status and code of the problem that is answered; it is for the only request."""
        status, head, body = self.read()
        assert b"connection: close" in head.lower() or not head
        return status, orjson.loads(body)["code"] if body else ""

    def ended_after(self) -> float:
        """Return the seconds until the service ends the connection."""
        began = time.monotonic()
        with self.socket, suppress(ConnectionError):
            while self.socket.recv(2**16):
                pass
        return time.monotonic() - began

    def close(self) -> None:
        self.socket.close()


def post(body: bytes, *headers: bytes, target: bytes = b"/understand") -> bytes:
    """Return a whole POST request."""
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"POST %s HTTP/1.1" % target, b"Host: a", length, *headers, b"", body])


GET = b"GET /livez HTTP/1.1\r\nHost: a\r\n"


@contextmanager
def service(engine: Engine | None = None, **settings: object) -> Iterator[str]:
    """Run a service with these settings."""
    with hosted(small_settings(**settings), engine or FakeEngine()) as address:
        yield address
