"""The client of a service, for programs that wait for each answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import TypeVar, Unpack

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
from ssu.jobs import Jobs
from ssu.options import Options
from ssu.streams import AnswerStream
from ssuformer.closing import Closing
from ssuformer.errors import SsuError

T = TypeVar("T")


class Client(Closing):
    """A service, at its URL. Threads may share it. Errors are SsuErrors with the service's code.

    No proxy of the environment is used; a `transport` may have one.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        key: str | None = None,
        retry: Retry = Retry(),  # noqa: B008
        seconds: float = ANSWER_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._url, self._retry = base_of(url), retry
        self._http = httpx.Client(
            base_url=self._url,
            headers=headers_with(key),
            timeout=timeout(seconds),
            transport=transport,
            trust_env=False,
        )
        self.jobs = Jobs(self.ask)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def understand(
        self, clip: ClipSource, *, sent: Sent = nobody, **options: Unpack[Options]
    ) -> Answer:
        """Send a clip and return the answer."""
        read = Clip.of(clip)
        return Answer.read(self.ask(understand_call(read, "json", sent, options)), read.content)

    def written(
        self, clip: ClipSource, name: str, *, sent: Sent = nobody, **options: Unpack[Options]
    ) -> bytes:
        """Send a clip and return the answer in the format of this name, written by the service."""
        return self.ask(understand_call(Clip.of(clip), name, sent, options))

    @contextmanager
    def stream(
        self, clip: ClipSource, *, sent: Sent = nobody, **options: Unpack[Options]
    ) -> Iterator[AnswerStream]:
        """Send a clip and yield its answer, whose windows come while the clip is in work.

        Leaving the block ends the work.
        """
        read = Clip.of(clip)
        response = self._again(partial(self._send, understand_call(read, "ndjson", sent, options)))
        with closing(response):
            yield AnswerStream(self._lines(response), read.content)

    def models(self) -> list[Model]:
        """Return the models that the service has loaded."""
        return models_of(self.ask(Call("GET", "/models")))

    def ask(self, call: Call) -> bytes:
        """Return the body of the response to a call; raise the error that it tells."""
        return self._again(partial(self._read, call))

    def _again(self, do: Callable[[], T]) -> T:
        """Return what a function returns, trying again where that may help."""
        attempts = Attempts(self._retry)
        while True:
            try:
                return do()
            except SsuError as error:
                time.sleep(attempts.wait_after(error))

    def _read(self, call: Call) -> bytes:
        with closing(self._send(call)) as response, connection_errors(self._url):
            return response.read()

    def _lines(self, response: httpx.Response) -> Iterator[str]:
        with connection_errors(self._url):
            yield from response.iter_lines()

    def _send(self, call: Call) -> httpx.Response:
        """Return a response that is a success, and has not been read."""
        content = None if call.clip is None else call.clip.pieces(call.sent)
        headers = call.all_headers
        with connection_errors(self._url):
            request = self._http.build_request(
                call.method, call.path, params=call.query, content=content, headers=headers
            )
            response = self._http.send(request, stream=True)
            if response.is_success:
                return response
            with closing(response):
                response.read()
        raise failure_of(response)
