"""The client of a service, for programs with an event loop (asyncio or trio)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import partial
from typing import Self, TypeVar, Unpack

import anyio
import httpx

from ssu.answers import Answer, Model, models_of
from ssu.calls import (
    ANSWER_SECONDS,
    Attempts,
    Call,
    Retry,
    base_of,
    connection_errors,
    failure_of,
    headers_with,
    nobody,
    timeout,
    understand_call,
)
from ssu.clips import Clip, ClipSource, Sent
from ssu.jobs import AsyncJobs
from ssu.options import Options
from ssu.streams import AsyncAnswerStream
from ssuformer.errors import SsuError

T = TypeVar("T")


class AsyncClient:
    """A service, at its URL. Tasks may share it. Errors are SsuErrors with the service's code.

    No proxy of the environment is used; a `transport` may have one.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        retry: Retry = Retry(),  # noqa: B008
        seconds: float = ANSWER_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url, self._retry = base_of(url), retry
        self._http = httpx.AsyncClient(
            base_url=self._url,
            headers=headers_with(key),
            timeout=timeout(seconds),
            transport=transport,
            trust_env=False,
        )
        self.jobs = AsyncJobs(self.ask)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def understand(
        self, clip: ClipSource, *, sent: Sent = nobody, **options: Unpack[Options]
    ) -> Answer:
        """Send a clip and return the answer."""
        read = Clip.of(clip)
        body = await self.ask(understand_call(read, "json", sent, options))
        return Answer.read(body, read.content)

    async def written(
        self, clip: ClipSource, name: str, *, sent: Sent = nobody, **options: Unpack[Options]
    ) -> bytes:
        """Send a clip and return the answer in the format of this name, written by the service."""
        return await self.ask(understand_call(Clip.of(clip), name, sent, options))

    @asynccontextmanager
    async def stream(
        self, clip: ClipSource, *, sent: Sent = nobody, **options: Unpack[Options]
    ) -> AsyncIterator[AsyncAnswerStream]:
        """Send a clip and yield its answer, whose windows come while the clip is in work.

        Leaving the block ends the work.
        """
        read = Clip.of(clip)
        response = await self._again(
            partial(self._send, understand_call(read, "ndjson", sent, options))
        )
        async with aclosing(response):
            yield AsyncAnswerStream(self._lines(response), read.content)

    async def models(self) -> list[Model]:
        """Return the models that the service has loaded."""
        return models_of(await self.ask(Call("GET", "/models")))

    async def ask(self, call: Call) -> bytes:
        """Return the body of the response to a call; raise the error that it tells."""
        return await self._again(partial(self._read, call))

    async def _again(self, do: Callable[[], Awaitable[T]]) -> T:
        """Return what a function returns, trying again where that may help."""
        attempts = Attempts(self._retry)
        while True:
            try:
                return await do()
            except SsuError as error:
                await anyio.sleep(attempts.wait_after(error))

    async def _read(self, call: Call) -> bytes:
        async with aclosing(await self._send(call)) as response:
            with connection_errors(self._url):
                return await response.aread()

    async def _lines(self, response: httpx.Response) -> AsyncIterator[str]:
        with connection_errors(self._url):
            async for line in response.aiter_lines():
                yield line

    async def _send(self, call: Call) -> httpx.Response:
        """Return a response that is a success, and has not been read."""
        content = None if call.clip is None else call.clip.read_pieces(call.sent)
        headers = call.all_headers
        with connection_errors(self._url):
            request = self._http.build_request(
                call.method, call.path, params=call.query, content=content, headers=headers
            )
            response = await self._http.send(request, stream=True)
            if response.is_success:
                return response
            async with aclosing(response):
                await response.aread()
        raise failure_of(response)
