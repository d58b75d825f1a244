"""The models in this process: needs the packages of the service, but no service."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from pydantic import ValidationError

from ssu.answers import Answer
from ssu.clips import Clip, ClipSource
from ssu.options import Options
from ssu.streams import AnswerStream
from ssu.written import lacking
from ssuformer.closing import Closing
from ssuformer.errors import OptionError, wrong_fields

if TYPE_CHECKING:
    from service.gateway import Gateway
    from service.understanding.options import Options as CheckedOptions
    from service.understanding.schemas import Frame, Head

T = TypeVar("T")
_LONGEST = 1e6
_Life = tuple[asyncio.AbstractEventLoop, asyncio.Event]
"""The loop that a gateway runs in, and what stops it."""

_Lines = SimpleQueue[bytes | Exception | None]
"""Records, then None or the error that ended them."""


class Local(Closing):
    """The models, loaded once and kept until it is closed, or the program ends.

    Clips are decoded in a sandbox.

    `models`: a model repository; by default that of the settings, or the one that came with the
    package. Raises EngineError if the models cannot be loaded, ConfigError if a package is missing.
    """

    def __init__(self, *, models: str | Path | None = None, engine: str | None = None) -> None:
        try:
            from service.gateway import Gateway
            from service.settings import settings_for
        except ModuleNotFoundError as error:
            raise lacking("the models in this process", error) from error
        settings = settings_for(
            models=None if models is None else Path(models),
            engine=engine,
            workers=1,
            decode_seconds=3600.0,
            log_level="error",
        )
        self._gateway = Gateway.build(settings, sys.stderr)
        started: Future[_Life] = Future()
        work = partial(asyncio.run, _live(self._gateway, started))
        self._thread = Thread(target=work, name="ssu", daemon=True)
        self._thread.start()
        try:
            self._loop, self._stop = started.result()
        except ModuleNotFoundError as error:
            raise lacking("the engine of the models", error) from error

    def close(self) -> None:
        """Release the models and end the processes that decode."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def understand(self, clip: ClipSource, **options: Unpack[Options]) -> Answer:
        """Return the answer for a clip."""
        with self.stream(clip, **options) as stream:
            for _ in stream:
                pass
            return stream.answer

    @contextmanager
    def stream(self, clip: ClipSource, **options: Unpack[Options]) -> Iterator[AnswerStream]:
        """Yield the answer for a clip, whose windows come while it is in work.

        Leaving the block ends the work.
        """
        read, checked = Clip.of(clip), _checked(options)
        lines: _Lines = SimpleQueue()
        with _descriptor(read) as file:
            work = self._call(_begun(_tell(self._gateway, file, checked, lines), lines)).result()
            try:
                yield AnswerStream(_lines_of(lines), read.content)
            finally:
                self._call(_ended(work)).result()

    def _call(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)


def understand(clip: ClipSource, **options: Unpack[Options]) -> Answer:
    """Return the answer for a clip; the models are loaded for it. Use `Local` for several."""
    with Local() as models:
        return models.understand(clip, **options)


@contextmanager
def stream(clip: ClipSource, **options: Unpack[Options]) -> Iterator[AnswerStream]:
    """Yield the answer for a clip, whose windows come while it is in work."""
    with Local() as models, models.stream(clip, **options) as answer:
        yield answer


async def _live(gateway: Gateway, started: Future[_Life]) -> None:
    """Run a gateway until it is to stop; tell that it has started, or why it cannot."""
    stop = asyncio.Event()
    try:
        async with gateway.running():
            started.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()
    except BaseException as error:
        if started.done():
            raise
        started.set_exception(error)


async def _tell(gateway: Gateway, file: int, options: CheckedOptions, lines: _Lines) -> None:
    """Put the records of the answer into a queue as soon as each is known."""
    from service.formats.records import Record, tail_record, window_record
    from service.http.deadline import within
    from service.telemetry.stages import StageClock

    clock, seconds, counted = StageClock(), options.deadline or _LONGEST, list[int]()

    async def window(head: Head, frames: list[Frame]) -> None:
        if not counted:
            lines.put(Record("head", (head,)).json)
        counted.append(len(frames))
        lines.put(window_record(frames).json)

    async with gateway.admission.turn(clock):
        with gateway.current.in_use() as pipeline:
            telling = pipeline.tell(file, options, clock, window, seconds=seconds)
            head, tail = await within(seconds, telling, clock=clock, client=None)
    if not counted:
        lines.put(Record("head", (head,)).json)
    lines.put(tail_record(tail, frames=sum(counted)).json)


async def _begun(work: Coroutine[Any, Any, None], lines: _Lines) -> asyncio.Task[None]:
    """Return a task that does the work, and at the end puts None or the error into the queue."""

    async def do() -> None:
        try:
            await work
        except Exception as error:  # raised where the queue is read
            lines.put(error)
        else:
            lines.put(None)

    return asyncio.create_task(do())


async def _ended(work: asyncio.Task[None]) -> None:
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


def _lines_of(lines: _Lines) -> Iterator[bytes]:
    while (line := lines.get()) is not None:
        if isinstance(line, Exception):
            raise line
        yield line


def _checked(options: Options) -> CheckedOptions:
    """Return the options as the service checks them; OptionError if one is wrong."""
    from service.understanding.options import Options as CheckedOptions

    try:
        return CheckedOptions.model_validate({k: v for k, v in options.items() if v is not None})
    except ValidationError as error:
        raise OptionError(wrong_fields(error)) from None


@contextmanager
def _descriptor(clip: Clip) -> Iterator[int]:
    """Yield an open file descriptor of a clip."""
    if isinstance(clip.content, Path):
        with clip.content.open("rb") as file:
            yield file.fileno()
        return
    with tempfile.TemporaryFile() as file:
        file.write(clip.content)
        file.flush()
        yield file.fileno()
