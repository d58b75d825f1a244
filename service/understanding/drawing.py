"""Draw answers onto their clips, each in a sandboxed process of its own, as clips are decoded."""

from __future__ import annotations

import asyncio
import os
import tempfile
from typing import IO

from structlog.typing import FilteringBoundLogger

from service.formats.as_json import write as write_json
from service.formats.format import Format, Material
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.understanding import decoding_messages as messages
from service.understanding.decoding_process import Child, Templates
from service.understanding.sandbox import layers
from ssuformer import errors

PROGRAM = "service.understanding.drawing_child"
_PIECE = 2**18
_MOST_BYTES = 2**30
"""Bytes of a drawing; a process that writes more is ended."""


class Drawings:
    """Processes that draw; the one they are forked from starts with the first drawing."""

    def __init__(self, settings: Settings, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._threads = settings.decode_threads
        self._metrics = metrics
        self._log = log
        self._templates = Templates(settings, PROGRAM)

    async def draw(self, form: Format, material: Material, clip: int, out: IO[bytes]) -> None:
        """Write an answer in a format that shows the open clip to a file.

        Raises the ClipError that the clip causes, DecodeTimeout if it takes too much processor
        time, DecodeFailed if the process dies. Its end is part of leaving, whatever the reason.
        """
        child = await (await self._templates.living(chunk_frames=1)).fork()
        try:
            messages.read(await child.receive(), "ready")
            await self._draw(child, form, material, clip, out)
        except (errors.DecodeTimeout, errors.DecodeFailed) as error:
            failure = child.failure(error)
            self._metrics.decode_exits.labels(error.code, failure.cause).inc()
            self._log.error(
                "drawing_process_failed",
                reason=failure.reason,
                cause=failure.cause,
                system_call=failure.system_call,
                exit_status=failure.exit_status,
                stderr=failure.stderr,
            )
            raise
        finally:
            child.close()

    async def close(self) -> None:
        """End all processes."""
        await self._templates.close()

    async def _draw(
        self, child: Child, form: Format, material: Material, clip: int, out: IO[bytes]
    ) -> None:
        job = {"format": form.name, "name": material.name, "threads": self._threads}
        with tempfile.TemporaryFile() as answer:
            await asyncio.to_thread(write_json, material, answer)
            answer.flush()
            reading, writing = os.pipe2(os.O_CLOEXEC)
            files = [layers.read_only(clip), layers.read_only(answer.fileno()), writing]
            try:
                child.send(job, *files)
            finally:
                for file in files:
                    os.close(file)
        await _copy(reading, out)
        messages.read(await child.receive(), "drawn")


async def _copy(pipe: int, out: IO[bytes]) -> None:
    """Copy what comes through a pipe, and close it; Malformed if it is too much."""
    loop, reader = asyncio.get_running_loop(), asyncio.StreamReader(_PIECE)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(pipe, "rb", 0)
    )
    size = 0
    try:
        while piece := await reader.read(_PIECE):
            size += len(piece)
            if size > _MOST_BYTES:
                raise messages.Malformed(f"the drawing has more than {_MOST_BYTES} bytes")
            await asyncio.to_thread(out.write, piece)
    finally:
        transport.close()
