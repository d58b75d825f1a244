"""Tools in processes of their own: a call has a time limit, and its end ends its work.

The event loop never waits for a tool. A process that is late, or whose caller has left in the
middle of a call, is killed and replaced.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from structlog.typing import FilteringBoundLogger

from service.settings import Settings
from service.studio.choice import Choice
from service.studio.metrics import StudioMetrics
from service.studio.tools.prompt import Prompt
from ssuformer.errors import EngineError, Overloaded, SsuError, ToolFailed, ToolTimeout
from ssuformer.masks import Mask

_PROGRAM = "service.studio.tool_process"
_WAITING = 16
"""Calls that may wait for each process."""
_RETRY_SECONDS = 2.0
_START_SECONDS = 120.0
"""To start a process and load its tools, once."""
_FAILURES = (ToolTimeout, ToolFailed, EngineError)
"""What the tool is at fault for, or the endpoint that it asks; all else is the caller's."""


class Followed(NamedTuple):
    """A mask in the next picture, whether the tracker is sure, and whether the film cuts here."""

    mask: Mask
    held: bool
    cut: bool


class _Process:
    """One process with tools."""

    def __init__(self, choice: Choice) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, "-m", _PROGRAM, str(theirs.fileno())]
            self._process = subprocess.Popen(
                words, pass_fds=(theirs.fileno(),), env=_environment(),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        self._link = Connection(ours.detach())
        self._link.send(choice)
        self._fresh = True
        self._reading = threading.Lock()
        self.busy = False
        """Whether it is in the middle of a call."""

    def call(self, name: str, *arguments: Any, seconds: float) -> Any:  # noqa: ANN401
        """Return what a tool returns; raise what it raises, ToolTimeout or ToolFailed. Blocks."""
        self.begin(name, *arguments)
        return self.answer(seconds)

    def begin(self, name: str, *arguments: Any) -> None:  # noqa: ANN401
        """Send a call."""
        self.busy = True
        self.send((name, arguments))

    def send(self, message: Any) -> None:  # noqa: ANN401
        """Send a message; raise ToolFailed if the process is gone."""
        try:
            self._link.send(message)
        except OSError as error:
            raise ToolFailed("the process of the tool died") from error

    def answer(self, seconds: float) -> Any:  # noqa: ANN401
        """Return the answer to a call; a `Followed` for a picture."""
        allowed = max(seconds, _START_SECONDS) if self._fresh else seconds
        with self._reading:
            kind, content = self._received(allowed)
        self._fresh = False
        if kind == "followed":
            return Followed(*content)
        self.busy = False
        if kind == "error":
            error_kind, message, limit, actual = content
            raise error_kind(message, limit=limit, actual=actual)
        return content

    def _received(self, seconds: float) -> tuple[str, Any]:
        try:
            if not self._link.poll(seconds):
                raise ToolTimeout(f"the tool took longer than {seconds:g} s", limit=seconds)
            kind, content = self._link.recv()
        except (OSError, EOFError) as error:
            raise ToolFailed("the process of the tool died") from error
        return kind, content

    def kill(self) -> None:
        """End the process, and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        with self._reading:  # whoever waits for an answer sees the end of it first
            self._link.close()


class ToolPool:
    """As many processes with tools as the settings say; the first call starts one."""

    def __init__(
        self, settings: Settings, metrics: StudioMetrics, log: FilteringBoundLogger
    ) -> None:
        self.choice = Choice.of(settings)
        self._seconds = settings.studio_tool_seconds
        self._metrics = metrics
        self._log = log
        self._free = asyncio.Semaphore(settings.studio_workers)
        self._idle: list[_Process] = []
        self._all: set[_Process] = set()
        self._endings: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._limit = _WAITING * settings.studio_workers
        self._threads = ThreadPoolExecutor(settings.studio_workers, thread_name_prefix="tools")

    async def close(self) -> None:
        """End all processes."""
        await asyncio.gather(*self._endings, return_exceptions=True)
        for process in self._all:
            await asyncio.to_thread(process.kill)
        self._all.clear()
        await asyncio.to_thread(self._threads.shutdown)

    async def names(self) -> dict[str, str]:
        """Return what the tools are called; raise ConfigError if one cannot be loaded."""
        found: dict[str, str] = await self._call("names", "load")
        return found

    async def mask(self, picture: bytes, prompt: Prompt) -> tuple[Mask, str]:
        """Return a mask in pixels of a JPEG, and the name of its tool."""
        found: tuple[Mask, str] = await self._call("mask", "mask", picture, prompt)
        return found

    async def sentences(
        self, picture: bytes, mask: Mask, category: str, heard: tuple[str, ...]
    ) -> tuple[list[str], str]:
        """Return proposed sentences, and the name of the tool."""
        found: tuple[list[str], str] = await self._call(
            "sentences", "sentences", picture, mask, category, heard
        )
        return found

    async def onsets(self, sound: NDArray[np.float32], rate: int) -> list[float]:
        """Return the seconds at which something begins to sound."""
        found: list[float] = await self._call("onsets", "onsets", sound, rate)
        return found

    async def follow(
        self, pictures: AsyncIterator[bytes], mask: Mask, *, fps: float
    ) -> AsyncGenerator[Followed, None]:
        """Yield a mask for each picture after the first, which is the one of `mask`.

        Leaving it stops the tracker: between two pictures, or by killing its process.
        """
        async with self._process("track") as process:
            first = await anext(pictures, None)
            if first is None:
                return
            await self._do(process.begin, "track", mask, fps)
            await self._do(process.send, first)
            async for picture in pictures:
                await self._do(process.send, picture)
                with self._timed("track"):
                    found = await self._do(process.answer, self._seconds)
                if not isinstance(found, Followed):
                    return  # the tracker has lost it
                if found.cut or not found.mask.any():
                    await self._do(process.answer, self._seconds)  # nothing follows
                    yield found
                    return
                yield found
            await self._do(process.send, None)
            await self._do(process.answer, self._seconds)

    async def _call(self, name: str, label: str, *arguments: Any) -> Any:  # noqa: ANN401
        async with self._process(label) as process:
            with self._timed(label):
                call = lambda: process.call(name, *arguments, seconds=self._seconds)  # noqa: E731
                return await self._do(call)

    @asynccontextmanager
    async def _process(self, label: str) -> AsyncIterator[_Process]:
        """Hold a process; one that is in the middle of a call when the block ends is replaced."""
        with self._counted(label):
            await self._take_place()
            process: _Process | None = None
            try:
                process = self._idle.pop() if self._idle else await asyncio.to_thread(self._start)
                yield process
            finally:
                # A task of its own: whoever is cancelled here may be so at each await.
                ending = asyncio.create_task(self._put_back(process))
                self._endings.add(ending)
                ending.add_done_callback(self._endings.discard)

    async def _take_place(self) -> None:
        """Wait until a process is free; Overloaded if too many wait."""
        if self._waiting >= self._limit:
            busy = Overloaded("the tools of the studio are busy; try again", limit=self._limit)
            busy.retry_after = _RETRY_SECONDS
            raise busy
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1

    async def _put_back(self, process: _Process | None) -> None:
        """Keep a process for the next call, unless it is in the middle of one."""
        try:
            if process is None:
                return
            if not process.busy:
                self._idle.append(process)
                return
            self._all.discard(process)
            await asyncio.to_thread(process.kill)
        finally:
            self._free.release()

    @contextmanager
    def _counted(self, label: str) -> Iterator[None]:
        """Count a call by how it ends, one that gets no process as well."""
        result = "cancelled"
        try:
            yield
            result = "done"
        except SsuError as error:
            result = self._result_of(error)
            raise
        finally:
            self._metrics.calls.labels(label, result).inc()

    @contextmanager
    def refusing(self, label: str) -> Iterator[None]:
        """Count a call that is refused before it asks for a process."""
        try:
            yield
        except SsuError:
            self._metrics.calls.labels(label, "refused").inc()
            raise

    def _result_of(self, error: SsuError) -> str:
        if not isinstance(error, _FAILURES):
            return "refused"
        self._log.error("studio_tool_failed", reason=error.code)
        return "timeout" if isinstance(error, ToolTimeout) else "failed"

    def _start(self) -> _Process:
        process = _Process(self.choice)
        self._all.add(process)
        return process

    async def _do(self, act: Any, *arguments: Any) -> Any:  # noqa: ANN401
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, act, *arguments)

    @contextmanager
    def _timed(self, label: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self._metrics.seconds.labels(label).observe(time.perf_counter() - began)


def _environment() -> dict[str, str]:
    """Return what the process needs to find its code; one thread, as cores are shared."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    certificates = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    kept |= {name: os.environ[name] for name in certificates if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": path,
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
