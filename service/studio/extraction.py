"""The annotation frames and the sound of a clip, written by a sandboxed process of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import NamedTuple

from structlog.typing import FilteringBoundLogger

from service.settings import Settings
from service.studio.layers import ClipShape
from service.telemetry.metrics import Metrics
from service.understanding import decoding_messages as messages
from service.understanding.decoding_process import Child, Templates
from service.understanding.sandbox import layers
from ssuformer import errors

_PROGRAM = "service.studio.extraction_child"
_MOST_JPEG = 8 * 2**20
_JPEG = b"\xff\xd8\xff"


class Piece(NamedTuple):
    """A frame as a JPEG, or some of the sound."""

    frame: int | None
    content: bytes


class Extraction:
    """Processes that write frames; the one they are forked from starts with the first clip."""

    def __init__(self, settings: Settings, metrics: Metrics, log: FilteringBoundLogger) -> None:
        allowed = {"decode_seconds": settings.studio_prepare_seconds, "decode_threads": 1}
        self._templates = Templates(settings.model_copy(update=allowed), _PROGRAM)
        self._metrics = metrics
        self._log = log

    async def pieces(self, clip: int, shape: ClipShape, *, fps: float) -> AsyncIterator[Piece]:
        """Yield the frames of an open clip in order, then its sound.

        Raises the ClipError that the clip causes, DecodeTimeout if it takes too much processor
        time, DecodeFailed if the process dies. Its end is part of leaving, whatever the reason.
        """
        child = await (await self._templates.living(chunk_frames=1)).fork()
        try:
            messages.read(await child.receive(), "ready")
            async for piece in _written(_begin(child, clip, shape, fps=fps), shape):
                yield piece
            messages.read(await child.receive(), "drawn")
        except asyncio.IncompleteReadError:
            await self._explain(child)
        except (errors.DecodeTimeout, errors.DecodeFailed) as error:
            self._report(child, error)
            raise
        finally:
            child.close()

    async def close(self) -> None:
        """End all processes."""
        await self._templates.close()

    async def _explain(self, child: Child) -> None:
        """Raise why a process has written less than it should."""
        try:
            messages.read(await child.receive(), "drawn")
        except (errors.DecodeTimeout, errors.DecodeFailed) as error:
            self._report(child, error)
            raise
        raise messages.Malformed("the process wrote fewer frames than it was to")

    def _report(self, child: Child, error: errors.SsuError) -> None:
        failure = child.failure(error)
        self._metrics.decode_exits.labels(error.code, failure.cause).inc()
        self._log.error(
            "extraction_process_failed",
            reason=failure.reason,
            cause=failure.cause,
            system_call=failure.system_call,
            exit_status=failure.exit_status,
            stderr=failure.stderr,
        )


def _begin(child: Child, clip: int, shape: ClipShape, *, fps: float) -> int:
    """Have a process begin, and return what it writes to."""
    job = {"fps": fps, "frames": shape.frames, "size": [shape.height, shape.width]}
    reading, writing = os.pipe2(os.O_CLOEXEC)
    files = [layers.read_only(clip), writing]
    try:
        child.send(job, *files)
    finally:
        for file in files:
            os.close(file)
    return reading


async def _written(pipe: int, shape: ClipShape) -> AsyncIterator[Piece]:
    """Yield what comes through a pipe, and close it; Malformed for what is no frame."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(2**18)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
    )
    try:
        for frame in range(shape.frames):
            size = int.from_bytes(await reader.readexactly(4), "big")
            if size > _MOST_JPEG:
                raise messages.Malformed("a frame is too large")
            content = await reader.readexactly(size)
            if not content.startswith(_JPEG):
                raise messages.Malformed("a frame is no JPEG")
            yield Piece(frame, content)
        left = 2 * 16_000 * (int(shape.duration) + 2)
        while piece := await reader.read(2**18):
            left -= len(piece)
            if left < 0:
                raise messages.Malformed("the sound is too long")
            yield Piece(None, piece)
    finally:
        transport.close()
