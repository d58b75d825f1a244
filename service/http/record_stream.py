"""An answer that is sent while the clip is in work: records as they come, heartbeats between them.

Until the first byte is sent, an error is an ordinary problem. After it, the problem is the last
record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Self

import orjson
from fastapi import Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from service.formats.format import Format
from service.formats.records import (
    Failed,
    Heartbeat,
    Record,
    tail_record,
    window_record,
)
from service.http.problems import problem_for
from service.http.request_log import outcome
from service.http.spool import Spool
from service.telemetry.stages import StageClock
from service.understanding.schemas import Frame, Head, Tail
from ssuformer.errors import SsuError

UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Headers that have a proxy, nginx among them, pass every record on at once."""


class RecordWriter:
    """Writes the records of one answer, in the form that was asked for, into a spool."""

    def __init__(self, form: Format, spool: Spool, clock: StageClock) -> None:
        if form.write_record is None:
            raise TypeError(f"{form.name} has no records")
        self._written = form.write_record
        self._spool = spool
        self._clock = clock
        self._frames: int | None = None
        """How many frames have been written; None before the head is."""
        self.analysed = 0
        """How many of them were analysed."""

    async def window(self, head: Head, frames: list[Frame]) -> None:
        """Write the frames of a window, and before the first one the head."""
        await self._write(*self._begun(head), window_record(frames))
        self._frames = (self._frames or 0) + len(frames)
        self.analysed += sum(not frame.between for frame in frames)

    async def end(self, head: Head, tail: Tail) -> None:
        """Write the last record."""
        await self._write(*self._begun(head), tail_record(tail, frames=self._frames or 0))

    @property
    def between(self) -> int:
        """How many frames have been written that were not analysed."""
        return (self._frames or 0) - self.analysed

    def heartbeat(self) -> bytes:
        """Return the record that only says that work goes on."""
        beat = Heartbeat(stage=self._clock.current, seconds=round(self._clock.elapsed, 3))
        return self._written(Record("heartbeat", (beat,)))

    def failed(self, response: Response) -> bytes:
        """Return the record of a problem."""
        after = response.headers.get("retry-after")
        failed = Failed(
            problem=orjson.loads(response.body), retry_after=None if after is None else int(after)
        )
        return self._written(Record("error", (failed,)))

    def _begun(self, head: Head) -> tuple[Record, ...]:
        return (Record("head", (head,)),) if self._frames is None else ()

    async def _write(self, *records: Record) -> None:
        with self._clock.stage("encode"):
            written = await asyncio.to_thread(lambda: b"".join(map(self._written, records)))
            await self._spool.write(written)


class RecordStream(Response):
    """Sends what work writes into a spool; ends the work if it cannot be sent."""

    def __init__(
        self,
        request: Request,
        work: Coroutine[None, None, None],
        writer: RecordWriter,
        spool: Spool,
        *,
        heartbeat_seconds: float,
    ) -> None:
        self.status_code = 200
        self.background = None
        self._request = request
        self._writer = writer
        self._spool = spool
        self._heartbeat_seconds = heartbeat_seconds
        self._work = asyncio.create_task(work)
        self._work.add_done_callback(lambda _: spool.end())

    async def begin(self, headers: Callable[[], Mapping[str, str]], media_type: str) -> Self:
        """Wait for the first record, a heartbeat at the longest; raise what ends the work before.

        `headers` returns those of the response, once it begins.
        """
        try:
            if await self._news() is False:
                await self._work
        except BaseException:
            await self._end()
            raise
        self.media_type = media_type
        self.init_headers({**headers(), **UNBUFFERED})
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the answer, record by record."""
        try:
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            while (news := await self._news()) is not False:
                piece = await self._spool.read() if news else self._writer.heartbeat()
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            last, accident = await self._last()
            await send({"type": "http.response.body", "body": last})
            if accident is not None:
                raise accident
        finally:
            await self._end()

    async def _news(self) -> bool | None:
        """Wait for something to send: True; None when a heartbeat is due; False at the end."""
        try:
            async with asyncio.timeout(self._heartbeat_seconds):
                return await self._spool.ready()
        except TimeoutError:
            return None

    async def _last(self) -> tuple[bytes, Exception | None]:
        """Return the record of the error that ended the work, if any, and what is to be logged."""
        try:
            await self._work
        except Exception as error:
            response = await problem_for(self._request, error)
            state = self._request.state
            state.outcome = getattr(state, "outcome", None) or outcome(response.status_code)
            deliberate = isinstance(error, SsuError | ClientDisconnect)
            return self._writer.failed(response), None if deliberate else error
        return b"", None

    async def _end(self) -> None:
        self._work.cancel()
        await asyncio.gather(self._work, return_exceptions=True)
        self._spool.close()
