"""A program in the place of a decoding process that sends each line of the upload as a message."""

from __future__ import annotations

import os
import socket

from service.understanding import decoding_template
from service.understanding.decoding_child import ChunkMemory


def babble(gateway: socket.socket, memory: ChunkMemory) -> None:
    """Send what the upload holds, then what nobody asked for, until nobody listens."""
    del memory
    gateway.sendall(b'{"ready": true}')
    _, files, _, _ = socket.recv_fds(gateway, 65_536, 1)
    for line in os.pread(files[0], 2**24, 0).split(b"\n"):
        gateway.sendall(line)
    while True:
        gateway.recv(65_536)


if __name__ == "__main__":
    decoding_template.main(babble)
