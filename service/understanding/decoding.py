"""Decode clips in separate processes: a fresh one for each clip, forked in advance, sandboxed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from typing import Any

from structlog.typing import FilteringBoundLogger

from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.trace import Trace
from service.understanding import decoding_messages as messages
from service.understanding.decoding_messages import Kind, Said
from service.understanding.decoding_process import PROGRAM, Child, Templates
from service.understanding.sandbox import layers
from service.understanding.sandbox.layers import Layer
from ssuformer import errors
from ssuformer.clip import Chunk, ClipInfo, ClipWarning, Limits, Packets, Sampling

_START_SECONDS = 30.0


class Decoding:
    """One clip in a decoding process, and in a second one if the first dies."""

    def __init__(
        self,
        pool: DecodePool,
        sampling: Sampling,
        file: int,
        trace: Trace,
        *,
        most_bytes: int | None,
    ) -> None:
        self._pool = pool
        self._most_bytes = most_bytes
        self._trace = trace
        self._asked = 0.0
        """When the process was last asked for something."""
        self._sampling = sampling
        self._file = file
        self._limit = self._left = pool.settings.decode_seconds
        self._child: Child | None = None
        self._tried_again = False
        self._finished = False
        self._read = 0
        self._last_time = -1.0
        self.info: ClipInfo
        self.duration: float | None = None
        self.warnings: tuple[ClipWarning, ...] = ()

    async def begin(self) -> None:
        """Hand over the file and wait for the facts about the clip."""
        try:
            await self._open()
        except errors.DecodeFailed as error:
            self._give_up_on_child(error)
            await self.begin()

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Yield the chunks of the clip; the next one is decoded while one is being used."""
        given = 0
        while (chunk := await self._chunk(given)) is not None:
            given += 1
            yield chunk

    def fail(self, error: errors.SsuError, *, again: bool = False) -> None:
        """Report the process, with the cause, and have it replaced."""
        if self._child is not None:
            self._pool.report(self._child, error, again=again)
            self._pool.replace(self._child)
            self._child = None

    def close(self) -> None:
        """Give the process up, whatever it is doing."""
        if self._child is not None:
            if not self._finished:
                self._pool.count("abandoned")
            self._pool.replace(self._child)
            self._child = None

    def _give_up_on_child(self, error: errors.DecodeFailed) -> None:
        """Raise the error unless the process died, of no forbidden call, for the first time."""
        child = self._child
        if child is None or child.alive or child.ending.refused or self._tried_again:
            raise error
        self._tried_again = True
        self.fail(error, again=True)

    async def _open(self) -> None:
        self._child = child = await self._pool.take()
        self._read, self._last_time = 0, -1.0
        limits = self._pool.limits
        if self._most_bytes is not None:
            limits = replace(limits, bytes=self._most_bytes)
        self._ask(child, {"sampling": asdict(self._sampling), "limits": asdict(limits)}, self._file)
        _, content = await self._receive(child, "info")
        self.info = messages.info_in(content, limits)
        self._ask(child, {"next": True})

    async def _chunk(self, number: int) -> Chunk | None:
        """Return the chunk of this number, from a fresh process if need be; None after the last."""
        try:
            while (chunk := await self._next_chunk()) is not None and self._read <= number:
                pass
        except errors.DecodeFailed as error:
            self._give_up_on_child(error)
            await self.begin()
            return await self._chunk(number)
        return chunk

    async def _next_chunk(self) -> Chunk | None:
        if self._child is None or self._finished:
            return None
        kind, content = await self._receive(self._child, "chunk", "end")
        if kind == "end":
            end = messages.end_in(content)
            self.warnings, self.duration = end.noted, end.duration
            self._pool.count_packets(end.work)
            self._finished = True
            return None
        memory = self._child.memory
        times = messages.times_in(content, most=memory.size, after=self._last_time)
        chunk = memory.read(times)
        self._read, self._last_time = self._read + 1, times[-1]
        self._ask(self._child, {"next": True})
        return chunk

    def _ask(self, child: Child, message: dict[str, Any], *files: int) -> None:
        self._asked = time.monotonic()
        child.send(message, *files)

    async def _receive(self, child: Child, kind: Kind, *others: Kind) -> tuple[Kind, Any]:
        """Return the next message; trace the work of the process, whose word is not believed."""
        try:
            said = await self._message(child, kind, *others)
        except errors.SsuError as error:
            spent = time.monotonic() - self._asked
            self._trace.note(f"decoder {kind}", began=self._asked, seconds=spent, code=error.code)
            raise
        seconds = min(said.seconds, time.monotonic() - self._asked)
        self._trace.note(f"decoder {said.kind}", began=self._asked, seconds=seconds)
        return said.kind, said.content

    async def _message(self, child: Child, kind: Kind, *others: Kind) -> Said:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                line = await child.receive()
        except TimeoutError as error:
            raise errors.DecodeTimeout(
                f"the clip took longer than {self._limit:g} s to decode", limit=self._limit
            ) from error
        self._left -= time.monotonic() - began
        try:
            return messages.read(line, kind, *others)
        except (errors.ClipError, errors.OptionError):
            self._finished = True
            raise


class DecodePool:
    """A pool of warm decoding processes, each for one clip; one that is used is replaced."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        log: FilteringBoundLogger,
        *,
        crowded: Callable[[], bool] = lambda: False,
        program: str = PROGRAM,
    ) -> None:
        """`crowded` tells whether there is a clip in work for every core."""
        self.settings = settings
        self._crowded = crowded
        self._metrics = metrics
        self._log = log
        self._chunk_frames = 0
        self._templates = Templates(settings, program, before=self._close_to_others)
        self._closed = "off"
        self._can_start = False
        self._idle: asyncio.Queue[Child] = asyncio.Queue()
        self._children: set[Child] = set()
        self._starting: set[asyncio.Task[None]] = set()

    async def start(self, *, chunk_frames: int) -> None:
        """Start all processes and wait until they are warm.

        Raises ConfigError if the sandbox is required and a layer of it cannot be put on.
        """
        self._chunk_frames = chunk_frames
        await asyncio.gather(*(self._starts(self._add()) for _ in range(self.settings.workers)))
        self._log.info("sandbox", mode=self.settings.sandbox, layers=self.sandbox)

    @property
    def limits(self) -> Limits:
        """The limits for the next clip, which has one thread if there are enough clips in work."""
        limits = self.settings.clip_limits
        return replace(limits, threads=1) if self._crowded() else limits

    @property
    def ready(self) -> bool:
        """Whether processes can be started: the last one that was to be could."""
        return self._can_start

    @property
    def sandbox(self) -> dict[Layer, str]:
        """Every layer of the sandbox: `on`, or why it is not."""
        template = self._templates.last
        if template is None or self.settings.sandbox == "off":
            return dict.fromkeys(Layer, "off")
        ours = {Layer.NOT_DUMPABLE: self._closed, Layer.SEALED_MEMORY: layers.ON}
        return {**template.report, **ours}

    @property
    def template_process(self) -> int | None:
        """The number of the process that the decoding processes are forked from."""
        return None if self._templates.last is None else self._templates.last.process

    @asynccontextmanager
    async def decode(
        self,
        file: int,
        sampling: Sampling,
        trace: Trace | None = None,
        *,
        most_bytes: int | None = None,
    ) -> AsyncIterator[Decoding]:
        """Decode an open file; leaving the block early has its process killed at once.

        Without `most_bytes`, the file may have as many as an upload.
        """
        readable = layers.read_only(file)
        decoding = Decoding(self, sampling, readable, trace or Trace(None), most_bytes=most_bytes)
        try:
            await decoding.begin()
            yield decoding
        except (errors.DecodeTimeout, errors.DecodeFailed) as error:
            decoding.fail(error)
            raise
        finally:
            decoding.close()
            os.close(readable)

    async def take(self) -> Child:
        """Return an idle process; one that died while idle is replaced at no cost to the clip."""
        while not (child := await self._idle.get()).alive:
            self.count("died_idle", child.ending.cause)
            self.replace(child)
        return child

    def report(self, child: Child, error: errors.SsuError, *, again: bool) -> None:
        """Count a process that failed, and log the cause, as a failure of this service."""
        failure = child.failure(error)
        self.count(error.code, failure.cause)
        self._log.error(
            "decoding_process_failed",
            reason=failure.reason,
            cause=failure.cause,
            system_call=failure.system_call,
            exit_status=failure.exit_status,
            stderr=failure.stderr,
            tried_again=again,
        )

    def count(self, reason: str, cause: str = "") -> None:
        """Count a process that ended before its clip was done."""
        self._metrics.decode_exits.labels(reason, cause).inc()

    def count_packets(self, packets: Packets) -> None:
        """Count the packets of a film that was read to its end."""
        self._metrics.packets.labels("decoded").inc(packets.decoded)
        self._metrics.packets.labels("dropped").inc(packets.dropped)

    def replace(self, child: Child) -> None:
        """End a process that has had its clip, and have another one forked."""
        self._children.discard(child)
        child.close()
        self._starts(self._add_somehow())

    async def close(self) -> None:
        """Stop all processes."""
        self._can_start = False
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for child in self._children:
            child.close()
        self._children.clear()
        await self._templates.close()

    def _starts(self, adding: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(adding)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
        return task

    async def _add_somehow(self) -> None:
        while True:
            try:
                return await self._add()
            except (OSError, TimeoutError, errors.SsuError):
                self._can_start = False
                self.count("start_failed")
                await asyncio.sleep(1)

    async def _add(self) -> None:
        template = await self._templates.living(self._chunk_frames)
        child = await template.fork()
        try:
            if self.settings.sandbox == "required":
                layers.insist(self.sandbox)
            async with asyncio.timeout(_START_SECONDS):
                messages.read(await child.receive(), "ready")
        except BaseException:
            child.close()
            raise
        self._can_start = True
        self._children.add(child)
        self._idle.put_nowait(child)

    def _close_to_others(self) -> None:
        if self.settings.sandbox != "off":
            self._closed = layers.attempt(layers.close_to_others)
