"""Decode clips in separate processes: prewarmed, with limits, killed on timeout."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.understanding.decoding_child import LINE_LIMIT, ChunkMemory
from ssuformer import errors
from ssuformer.clip import Chunk, ClipInfo, ClipWarning, Sampling

_START_SECONDS = 30.0
_Message = dict[str, Any]
_INFO = TypeAdapter(ClipInfo)
_WARNINGS = TypeAdapter(tuple[ClipWarning, ...])
_TIMES = TypeAdapter(list[float])


class _Child:
    """One decoding process as seen by the gateway: messages, chunks, termination."""

    def __init__(self, settings: Settings, chunk_frames: int) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(0)
        memory = _shared_memory(ChunkMemory.bytes_for(chunk_frames))
        self.memory = ChunkMemory(memory, chunk_frames)
        self._waiting = b""
        arguments = [theirs.fileno(), memory, chunk_frames, settings.decode_memory]
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__name__}_child", *map(str, arguments)],
            env=_small_environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(), memory),
        )
        theirs.close()
        os.close(memory)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def send(self, message: _Message, file: int | None = None) -> None:
        """Send one message and optionally an open file."""
        line = orjson.dumps(message) + b"\n"
        try:
            socket.send_fds(self._socket, [line], [] if file is None else [file])
        except OSError as error:
            raise self._death() from error

    async def receive(self) -> _Message:
        """Return the next message; raise DecodeFailed or DecodeTimeout if the process has ended."""
        loop = asyncio.get_running_loop()
        while b"\n" not in self._waiting:
            try:
                more = await loop.sock_recv(self._socket, LINE_LIMIT)
            except OSError:
                more = b""
            if not more or len(self._waiting) > 100 * LINE_LIMIT:
                raise self._death()
            self._waiting += more
        line, self._waiting = self._waiting.split(b"\n", 1)
        message: _Message = orjson.loads(line)
        return message

    def end(self) -> int:
        """Kill the process and return its exit status."""
        self._process.kill()
        self._socket.close()
        return self._process.wait()

    def _death(self) -> errors.SsuError:
        self._process.kill()
        if self._process.wait() == -signal.SIGXCPU:
            return errors.DecodeTimeout("the clip took too much processor time to decode")
        return errors.DecodeFailed("the process that decoded the clip died")


class Decoding:
    """One clip in a decoding process."""

    def __init__(self, child: _Child, seconds: float) -> None:
        self._child = child
        self._limit = self._left = seconds
        self.idle = False
        """Whether the process has finished with this clip and can take another."""
        self.info: ClipInfo
        self.duration: float | None = None
        self.warnings: tuple[ClipWarning, ...] = ()

    async def begin(self, job: _Message, file: int) -> None:
        """Hand over the file and wait for the facts about the clip."""
        self._child.send(job, file)
        self.info = _parse(_INFO, (await self._receive())["info"])

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Yield the chunks of the clip; the next one is decoded while one is being used."""
        self._child.send({"next": True})
        while "chunk" in (message := await self._receive()):
            chunk = self._child.memory.read(_parse(_TIMES, message["chunk"]))
            self._child.send({"next": True})
            yield chunk
        end = message["end"]
        self.warnings = _parse(_WARNINGS, end["warnings"])
        self.duration = float(end["duration"])
        self.idle = True

    async def _receive(self) -> _Message:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._left):
                message = await self._child.receive()
        except TimeoutError as error:
            raise errors.DecodeTimeout(
                f"the clip took longer than {self._limit:g} s to decode", limit=self._limit
            ) from error
        self._left -= time.monotonic() - began
        if "error" in message:
            self.idle = True
            raise _as_error(message["error"])
        return message


class DecodePool:
    """A pool of warm decoding processes; one that fails or is cancelled is replaced."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._idle: asyncio.Queue[_Child] = asyncio.Queue()
        self._children: set[_Child] = set()
        self._starting: set[asyncio.Task[None]] = set()

    async def start(self, *, chunk_frames: int) -> None:
        """Start all processes and wait until they are warm."""
        await asyncio.gather(
            *(self._starts(self._add(chunk_frames)) for _ in range(self._settings.workers))
        )

    @property
    def ready(self) -> bool:
        """Whether there is at least one live process."""
        return bool(self._children)

    @asynccontextmanager
    async def decode(self, file: int, sampling: Sampling) -> AsyncIterator[Decoding]:
        """Decode an open file; leaving the block early kills its process at once."""
        child = await self._living()
        decoding = Decoding(child, self._settings.decode_seconds)
        reason = "abandoned"
        try:
            await decoding.begin(self._job(sampling), file)
            yield decoding
        except (errors.DecodeTimeout, errors.DecodeFailed) as error:
            reason = error.code
            raise
        finally:
            if decoding.idle:
                self._idle.put_nowait(child)
            else:
                self._replace(child, reason)

    async def _living(self) -> _Child:
        """Return an idle process; one that died while idle is replaced at no cost to the clip."""
        while not (child := await self._idle.get()).alive:
            self._replace(child, "died_idle")
        return child

    def _replace(self, child: _Child, reason: str) -> None:
        self._children.discard(child)
        child.end()
        self._metrics.decode_exits.labels(reason).inc()
        self._starts(self._add_somehow(child.memory.size))

    def _starts(self, adding: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(adding)
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
        return task

    async def _add_somehow(self, chunk_frames: int) -> None:
        while True:
            try:
                return await self._add(chunk_frames)
            except (OSError, TimeoutError, errors.SsuError):
                self._metrics.decode_exits.labels("start_failed").inc()
                await asyncio.sleep(1)

    async def close(self) -> None:
        """End all processes."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for child in self._children:
            child.end()
        self._children.clear()

    async def _add(self, chunk_frames: int) -> None:
        child = _Child(self._settings, chunk_frames)
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child.receive()
        except BaseException:
            child.end()
            raise
        self._children.add(child)
        self._idle.put_nowait(child)

    def _job(self, sampling: Sampling) -> _Message:
        limits = self._settings.clip_limits
        return {
            "sampling": asdict(sampling),
            "limits": asdict(limits),
            "processor_seconds": self._settings.decode_seconds * limits.threads,
        }


def _shared_memory(size: int) -> int:
    """Return the descriptor of unnamed memory that a child process can map too."""
    descriptor = os.memfd_create("chunk")
    os.ftruncate(descriptor, size)
    return descriptor


def _small_environment() -> dict[str, str]:
    """Return what a child needs to find its code, without any secrets."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    return {"PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def _parse(kind: TypeAdapter[Any], value: object) -> Any:  # noqa: ANN401
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        raise errors.DecodeFailed(
            "the decoding process sent a message that cannot be read"
        ) from error


def _as_error(report: _Message) -> errors.SsuError:
    """Return the error that the child raised; only errors a clip can cause are allowed."""
    kind = getattr(errors, str(report["name"]), None)
    if not isinstance(kind, type) or not issubclass(kind, errors.ClipError | errors.OptionError):
        return errors.DecodeFailed(str(report["message"]))
    return kind(str(report["message"]), limit=report["limit"], actual=report["actual"])
