"""The process that runs FFmpeg: it receives one open file, decodes it, and ends.

Communicates with the gateway in JSON, a message per packet of a socket, in strict turns: `job`
(with the file descriptor) is answered by `info`, every `next` by `chunk` or `end`, any by `error`.
Frames and audio go through shared memory. The gateway never executes or unpickles anything, and
believes nothing (`decoding_messages`).
"""

from __future__ import annotations

import mmap
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from service.telemetry.places import places
from ssuformer.clip import Chunk, ClipReader, Limits, Sampling
from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from ssuformer.errors import ClipTooLarge, DecodeFailed, SsuError

FRAME_BYTES = FRAME_SIZE * FRAME_SIZE * 3
SECOND_BYTES = SAMPLE_RATE * 4
MESSAGE_LIMIT = 65_536
"""Bytes of one message, either way."""
_LOUDEST = 1000.0
"""Samples beyond are cut off, 60 dB above full scale."""


class ChunkMemory:
    """Room for one chunk of `size` frames in memory shared by two processes."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.size = size
        self._map = mmap.mmap(descriptor, self.bytes_for(size))
        split = size * FRAME_BYTES
        self._frames: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8, split).reshape(
            size, FRAME_SIZE, FRAME_SIZE, 3
        )
        self._waveform: NDArray[np.float32] = np.frombuffer(
            self._map, np.float32, size * SAMPLE_RATE, offset=split
        ).reshape(size, SAMPLE_RATE)

    @staticmethod
    def bytes_for(size: int) -> int:
        """Return the bytes needed for `size` frames and their audio."""
        return size * (FRAME_BYTES + SECOND_BYTES)

    def write(self, chunk: Chunk) -> None:
        """Write a chunk to the memory."""
        self._frames[: len(chunk.times)] = chunk.frames
        self._waveform[: len(chunk.times)] = chunk.waveform

    def read(self, times: list[float]) -> Chunk:
        """Return a copy of the chunk in the memory, whose samples are numbers in every case."""
        n = len(times)
        sound = np.nan_to_num(self._waveform[:n].copy(), copy=False)
        np.clip(sound, -_LOUDEST, _LOUDEST, out=sound)
        return Chunk(self._frames[:n].copy(), sound, np.array(times))


def serve(gateway: socket.socket, memory: ChunkMemory) -> None:
    """Say that all is ready, decode the one clip that the gateway sends, and wait for the end."""
    send(gateway, {"ready": True})
    job, files, _, _ = socket.recv_fds(gateway, MESSAGE_LIMIT, 1)
    if job:
        _work(gateway, memory, orjson.loads(job), files[0])
        gateway.recv(MESSAGE_LIMIT)  # until the gateway has read all and ends it


def _work(gateway: socket.socket, memory: ChunkMemory, job: dict[str, Any], file: int) -> None:
    try:
        began = time.monotonic()
        sampling, limits = Sampling(**job["sampling"]), Limits(**job["limits"])
        with ClipReader(file, sampling=sampling, limits=limits) as reader:
            send(gateway, {"info": asdict(reader.info), **_spent_since(began)})
            _send_chunks(gateway, memory, reader)
    except SsuError as error:
        report(gateway, error)
    except MemoryError:
        report(gateway, ClipTooLarge("the clip needs more memory to decode than allowed"))
    except Exception as error:  # whatever a clip can make FFmpeg or Python do
        sys.stderr.write(places(error))
        report(gateway, DecodeFailed("the decoder failed on this clip"))


def _send_chunks(gateway: socket.socket, memory: ChunkMemory, reader: ClipReader) -> None:
    chunks: Iterator[Chunk] = reader.chunks(memory.size)
    while gateway.recv(MESSAGE_LIMIT):
        began = time.monotonic()
        chunk = next(chunks, None)
        if chunk is None:
            warnings = [asdict(warning) for warning in reader.warnings]
            end = {
                "duration": reader.duration,
                "warnings": warnings,
                "packets": list(reader.packets),
            }
            send(gateway, {"end": end, **_spent_since(began)})
            return
        memory.write(chunk)
        send(gateway, {"chunk": chunk.times.tolist(), **_spent_since(began)})


def _spent_since(began: float) -> dict[str, float]:
    return {"seconds": time.monotonic() - began}


def report(gateway: socket.socket, error: SsuError) -> None:
    """Send an error to the gateway."""
    name, facts = type(error).__name__, {"limit": error.limit, "actual": error.actual}
    send(gateway, {"error": {"name": name, "message": error.message, **facts}})


def send(gateway: socket.socket, message: dict[str, Any]) -> None:
    """Send a message to the gateway."""
    gateway.sendall(orjson.dumps(message))
