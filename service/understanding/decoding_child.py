"""The process that runs FFmpeg: it receives an open file and decodes it.

Communicates with the gateway in lines of JSON over a socket, in strict turns: `job` (with the file
descriptor) is answered by `info`, every `next` by `chunk` or `end`, either by `error`. Frames and
audio go through shared memory. The gateway never executes or unpickles anything it sends.
"""

from __future__ import annotations

import io
import mmap
import os
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import av
import numpy as np
import orjson
from numpy.typing import NDArray

from ssuformer.clip import Chunk, ClipReader, Limits, Sampling, read_clip
from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from ssuformer.errors import SsuError

FRAME_BYTES = FRAME_SIZE * FRAME_SIZE * 3
SECOND_BYTES = SAMPLE_RATE * 4
LINE_LIMIT = 65_536
_MOST_DESCRIPTORS = 32


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
        """Return a copy of the chunk in the memory."""
        n = len(times)
        return Chunk(self._frames[:n].copy(), self._waveform[:n].copy(), np.array(times))


def main() -> None:
    """Serve jobs until the gateway closes the socket; arguments: socket, memory, frames, bytes."""
    descriptor, memory_descriptor, size, memory_limit = map(int, sys.argv[1:5])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    av.logging.set_level(None)
    _warm_up()
    memory = ChunkMemory(memory_descriptor, size)
    _confine(memory_limit)
    with socket.socket(fileno=descriptor) as gateway:
        _send(gateway, {"ready": True})
        while True:
            line, files, _, _ = socket.recv_fds(gateway, LINE_LIMIT, 1)
            if not line:
                return
            try:
                _work(gateway, memory, orjson.loads(line), files[0])
            finally:
                for file in files:
                    os.close(file)


def _confine(memory_limit: int) -> None:
    """Set permanent resource limits for this process. A system call filter would go here."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_limit, memory_limit))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_MOST_DESCRIPTORS, _MOST_DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _allow_processor_seconds(seconds: float) -> None:
    """Allow this many more seconds of processor time before the kernel kills the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    total = int(used.ru_utime + used.ru_stime + seconds) + 1
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (total, hard))


def _work(gateway: socket.socket, memory: ChunkMemory, job: dict[str, Any], file: int) -> None:
    try:
        _allow_processor_seconds(job["processor_seconds"])
        sampling, limits = Sampling(**job["sampling"]), Limits(**job["limits"])
        with ClipReader(file, sampling=sampling, limits=limits) as reader:
            _send(gateway, {"info": asdict(reader.info)})
            _send_chunks(gateway, memory, reader)
    except SsuError as error:
        name, facts = type(error).__name__, {"limit": error.limit, "actual": error.actual}
        _send(gateway, {"error": {"name": name, "message": error.message, **facts}})


def _send_chunks(gateway: socket.socket, memory: ChunkMemory, reader: ClipReader) -> None:
    chunks: Iterator[Chunk] = reader.chunks(memory.size)
    while gateway.recv(LINE_LIMIT):
        chunk = next(chunks, None)
        if chunk is None:
            warnings = [asdict(warning) for warning in reader.warnings]
            _send(gateway, {"end": {"duration": reader.duration, "warnings": warnings}})
            return
        memory.write(chunk)
        _send(gateway, {"chunk": chunk.times.tolist()})


def _send(gateway: socket.socket, message: dict[str, Any]) -> None:
    gateway.sendall(orjson.dumps(message) + b"\n")


def _warm_up() -> None:
    """Decode a tiny clip, so that the first real one does not pay for lazy imports."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        sound = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        silence.sample_rate = 8000
        for _ in range(5):
            container.mux(video.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(sound.encode(silence))
        container.mux(video.encode())
        container.mux(sound.encode())
    read_clip(file.getvalue())


if __name__ == "__main__":
    main()
