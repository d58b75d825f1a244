"""Decoding processes as the gateway sees them: forked, heard, killed, never waited for."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import orjson

from service.settings import Settings
from service.understanding.decoding_child import MESSAGE_LIMIT, ChunkMemory
from service.understanding.decoding_messages import Malformed
from service.understanding.decoding_template import Plan
from service.understanding.sandbox import layers
from service.understanding.sandbox.layers import Layer
from ssuformer import errors

PROGRAM = "service.understanding.decoding_template"
_START_SECONDS = 30.0
_GRACE_SECONDS = 0.5
_END_SECONDS = 5.0
_MOST_WORDS = 4096


@dataclass(frozen=True, slots=True)
class Ending:
    """How a decoding process ended."""

    status: int | None = None
    """Its exit status, or minus the signal; None if the template has ended, too."""
    refused: str | None = None
    """The system call it was killed for."""
    words: str = ""
    """The end of what it wrote to stderr."""

    @property
    def cause(self) -> str:
        """The cause in one word, for the log and the metrics: mostly the name of a signal."""
        if self.refused is not None:
            return "refused_call"
        if self.status is None or self.status >= 0:
            return "exit"
        with suppress(ValueError):
            return signal.Signals(-self.status).name
        return "signal"

    @property
    def error(self) -> errors.SsuError:
        """What the request is told."""
        if self.cause == "SIGXCPU":
            return errors.DecodeTimeout("the clip took too much processor time to decode")
        return errors.DecodeFailed("the process that decoded the clip died")


class Failure(NamedTuple):
    """Why a process failed, for the log."""

    reason: str
    cause: str
    system_call: str | None
    exit_status: int | None
    stderr: str


class Child:
    """One decoding process: messages, chunks, termination."""

    def __init__(
        self, template: Template, link: socket.socket, words: int, memory: ChunkMemory
    ) -> None:
        loop = asyncio.get_running_loop()
        self._template = template
        self._socket = link
        self._socket.settimeout(0)
        self._words: int | None = words
        self.memory = memory
        self.born: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[Ending] = loop.create_future()

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self.ended.done()

    def send(self, message: dict[str, Any], *files: int) -> None:
        """Send one message, and open files with it; if the process is gone, `receive` tells."""
        with suppress(OSError):
            socket.send_fds(self._socket, [orjson.dumps(message)], files)

    async def receive(self) -> bytes:
        """Return the next message; raise DecodeFailed or DecodeTimeout if the process has ended."""
        try:
            line = await asyncio.get_running_loop().sock_recv(self._socket, MESSAGE_LIMIT)
        except OSError:
            line = b""
        if not line:
            await self._end_of_it()
            raise self.ending.error
        return line

    async def _end_of_it(self) -> None:
        """Wait until the process has ended by itself, so that the cause is known; then kill it."""
        await asyncio.wait((self.ended,), timeout=_GRACE_SECONDS)
        self.kill()
        await asyncio.wait((self.ended,), timeout=_END_SECONDS)

    @property
    def ending(self) -> Ending:
        """How the process ended, or what it has said on stderr so far."""
        return self.ended.result() if self.ended.done() else Ending(words=self._last_words())

    def failure(self, error: errors.SsuError) -> Failure:
        """Return, for the log, what came of the process, and why if it still runs."""
        ending = self.ending  # which reads, once, what the process has said
        cause = ending.cause
        if self.alive:
            timed_out = isinstance(error, errors.DecodeTimeout)
            malformed = isinstance(error, Malformed)
            cause = "slow" if timed_out else "malformed" if malformed else "exception"
        return Failure(error.code, cause, ending.refused, ending.status, ending.words)

    def kill(self) -> None:
        """Kill the process, without waiting for it to be gone."""
        if self.alive and self.born.done() and not self.born.cancelled():
            self._template.kill(self.born.result())

    def close(self) -> None:
        """Kill the process and give up what the gateway holds of it."""
        self.born.cancel()
        self.kill()
        self._socket.close()
        if self._words is not None:
            os.close(self._words)
            self._words = None

    def end(self, status: int | None, refused: str | None = None) -> None:
        """Note how the process ended."""
        if not self.ended.done():
            self.ended.set_result(Ending(status, refused, self._last_words()))

    def _last_words(self) -> str:
        if self._words is None:
            return ""
        with suppress(OSError):
            return os.read(self._words, _MOST_WORDS).decode(errors="replace").strip()
        return ""


class Template:
    """The process that decoding processes are forked from."""

    def __init__(self, settings: Settings, chunk_frames: int, program: str = PROGRAM) -> None:
        self._frames = chunk_frames
        self._socket, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        self._socket.settimeout(0)
        self._unborn: deque[Child] = deque()
        self._children: dict[int, Child] = {}
        self.report: layers.Report = {}
        plan = Plan(
            gateway=theirs.fileno(),
            chunk_frames=chunk_frames,
            memory=settings.decode_memory,
            processor_seconds=settings.decode_seconds * settings.decode_threads,
            sandbox=settings.sandbox,
        )
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", program, orjson.dumps(asdict(plan)).decode()],
                env=_small_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        self._listening = asyncio.create_task(self._listen())
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def process(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether children can be forked."""
        return not self._listening.done()

    async def start(self) -> None:
        """Wait until the process is warm; raise DecodeFailed if it ends before."""
        async with asyncio.timeout(_START_SECONDS):
            await asyncio.wait((self._ready, self._listening), return_when=asyncio.FIRST_COMPLETED)
        if not self.alive:
            raise errors.DecodeFailed("the process that starts decoding processes has ended")

    async def fork(self) -> Child:
        """Return a new decoding process; raise DecodeFailed if there can be none."""
        child = self._order_child()
        try:
            async with asyncio.timeout(_START_SECONDS):
                await child.born
        except BaseException:
            child.close()
            raise
        return child

    def _order_child(self) -> Child:
        size = ChunkMemory.bytes_for(self._frames)
        memory = layers.sealed_memory(size)
        words, theirs_words = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        ours, theirs = socket.socketpair(type=socket.SOCK_SEQPACKET)
        try:
            files = [theirs.fileno(), memory, theirs_words]
            socket.send_fds(self._socket, [b'{"fork":true}'], files)
            child = Child(self, ours, words, ChunkMemory(memory, self._frames))
            self._unborn.append(child)
            return child
        except OSError as error:
            ours.close()
            os.close(words)
            raise _none() from error
        finally:
            theirs.close()
            os.close(theirs_words)
            os.close(memory)

    def kill(self, process: int) -> None:
        """Have a child killed; if the template is gone, all its children are."""
        with suppress(OSError):
            self._socket.send(orjson.dumps({"kill": process}))

    async def close(self) -> None:
        """End the process and all its children, and wait until they are gone."""
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)
        self._socket.close()
        if not self._ready.done():
            self._process.kill()
        try:
            await asyncio.to_thread(self._process.wait, _END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while line := await loop.sock_recv(self._socket, MESSAGE_LIMIT):
                self._note(orjson.loads(line))
        except OSError:
            return
        finally:
            for child in self._unborn:
                if not child.born.done():
                    child.born.set_exception(_none())
            for child in self._children.values():
                child.end(None)

    def _note(self, message: dict[str, Any]) -> None:
        if "report" in message:
            self.report = {Layer(name): found for name, found in message["report"].items()}
            self._ready.set_result(None)
        elif "born" in message:
            self.report[Layer.SYSTEM_CALLS] = message["filter"]
            self._bear(message["born"])
        elif child := self._children.pop(message["ended"], None):
            child.end(message["status"], message["refused"])

    def _bear(self, process: int) -> None:
        child = self._unborn.popleft()
        if child.born.done():  # nobody waits for it any more
            self.kill(process)
            return
        self._children[process] = child
        child.born.set_result(process)


class Templates:
    """The template that lives; another one is started in the place of one that has ended."""

    def __init__(
        self,
        settings: Settings,
        program: str = PROGRAM,
        *,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """`before` is called before each is started."""
        self._settings = settings
        self._program = program
        self._before = before
        self._starting = asyncio.Lock()
        self.last: Template | None = None
        """The one that was started last."""

    async def living(self, chunk_frames: int) -> Template:
        """Return a template from which processes can be forked; raise DecodeFailed if none can."""
        async with self._starting:
            if self.last is None or not self.last.alive:
                await self.close()
                self._before()
                self.last = Template(self._settings, chunk_frames, self._program)
                await self.last.start()
            return self.last

    async def close(self) -> None:
        """End the template and all its children."""
        if self.last is not None:
            await self.last.close()


def _none() -> errors.DecodeFailed:
    return errors.DecodeFailed("no decoding process can be started")


def _small_environment() -> dict[str, str]:
    """Return what a child needs to find its code, without any secrets."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    return {
        "PYTHONPATH": path,
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        # A third fewer page faults, of which a process that is used once has many.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }
