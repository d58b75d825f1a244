"""The process that writes the annotation frames and the sound of a clip to a pipe, and ends.

It is forked and sandboxed as the processes that decode for the models (`decoding_template`). The
gateway sends one `job` with two open files (the clip, the pipe) and is told `drawn` or `error`.
Through the pipe come the frames, each a JPEG after its length (4 bytes, big-endian), then the
sound: mono, 16 kHz, 16 bits, little-endian.
"""

from __future__ import annotations

import io
import math
import os
import socket
import sys
from collections.abc import Iterator
from typing import IO, Any

import av
import numpy as np
import orjson
from PIL import Image

from service.film.film_reader import FilmFrame, FilmReader, FrameConverter
from service.telemetry.places import places
from service.understanding import decoding_template
from service.understanding.decoding_child import MESSAGE_LIMIT, ChunkMemory, report, send
from ssuformer.errors import ClipTooLarge, DecodeFailed, SsuError
from ssuformer.media.audio_reader import AudioReader
from ssuformer.media.clock import read_clock
from ssuformer.media.opening import Limits
from ssuformer.media.tracks import AUTOMATIC

_LONGEST_SIDE = 1280
_QUALITY = 90
_EARLY = 1e-4
"""Seconds by which a picture may come after the time it is the picture of: times are rounded."""


def serve(gateway: socket.socket, memory: ChunkMemory) -> None:
    """Say that all is ready, write what the gateway asks for, and wait for the end."""
    del memory
    send(gateway, {"ready": True})
    job, files, _, _ = socket.recv_fds(gateway, MESSAGE_LIMIT, 2)
    if job:
        _work(gateway, orjson.loads(job), *files)
        gateway.recv(MESSAGE_LIMIT)  # until the gateway has read all and ends it


def _work(gateway: socket.socket, job: dict[str, Any], clip: int, pipe: int) -> None:
    try:
        with os.fdopen(pipe, "wb") as out:
            write(clip, out, **job)
        send(gateway, {"drawn": True})
    except SsuError as error:
        report(gateway, error)
    except (MemoryError, av.error.MemoryError):
        report(gateway, ClipTooLarge("the clip needs more memory to decode than allowed"))
    except Exception as error:  # whatever a clip can make FFmpeg or Python do
        sys.stderr.write(places(error))
        report(gateway, DecodeFailed("the frames of the clip could not be written"))


def write(
    clip: int | bytes,
    out: IO[bytes],
    *,
    fps: float,
    frames: int,
    size: tuple[int, int],
    threads: int = 1,
) -> None:
    """Write so many frames of a clip of this size (height, width), and the sound as long."""
    height, width = size
    scale = min(1.0, _LONGEST_SIDE / max(size))
    converter = FrameConverter((max(1, round(height * scale)), max(1, round(width * scale))))
    with FilmReader(clip, threads=threads) as reel:
        for shot in _shown(reel.frames(), [i / fps for i in range(frames)]):
            file = io.BytesIO()
            Image.fromarray(converter.picture(shot)).save(file, "JPEG", quality=_QUALITY)
            out.write(file.tell().to_bytes(4, "big") + file.getvalue())
        zero = reel.start
    _write_sound(clip, out, zero, math.ceil(frames / fps))


def _shown(shots: Iterator[FilmFrame], times: list[float]) -> Iterator[FilmFrame]:
    """Yield for each time the picture shown then: the last one before it, at first the first."""
    shown: FilmFrame | None = None
    following = next(shots, None)
    for time in times:
        while following is not None and (shown is None or following.time <= time + _EARLY):
            shown, following = following, next(shots, None)
        if shown is None:
            raise DecodeFailed("the clip has no picture")
        yield shown


def _write_sound(clip: int | bytes, out: IO[bytes], zero: float, seconds: int) -> None:
    limits = Limits(bytes=2**40, seconds=float(seconds + 1))
    clock = read_clock(clip, limits, AUTOMATIC)
    sound = AudioReader(clip, limits=limits, zero=zero, choice=AUTOMATIC, clock=clock)
    try:
        for second in range(seconds):
            samples = np.nan_to_num(sound.around(second + 0.5))
            out.write((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
    finally:
        sound.close()


def warm_up() -> None:
    """Write the frames of a tiny clip, so that no child needs a file of Python's or FFmpeg's."""
    file = io.BytesIO()
    decoding_template.write_tiny_clip(file)
    write(file.getvalue(), io.BytesIO(), fps=2, frames=2, size=(32, 32))


if __name__ == "__main__":
    av.logging.set_level(None)
    warm_up()
    decoding_template.main(serve)
