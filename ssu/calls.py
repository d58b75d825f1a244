"""What is asked of a service and what its responses mean: shared by both clients."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from ssu.clips import Clip, Sent
from ssu.errors import (
    ServiceError,
    ServiceSilent,
    ServiceUnreachable,
    error_of,
    seconds_of,
)
from ssu.options import Options, query_of
from ssuformer.errors import OptionError, SsuError

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 3600.0
"""Timeout for an answer; the service's own deadline is much shorter."""

_NAMELESS = frozenset(("json", "ndjson", "sse"))
"""Formats that do not tell a clip's name, so that it need not be sent."""

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


def nobody(_: int) -> None:
    """Be told of bytes that were sent, and do nothing."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that can be sent again."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    clip: Clip | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: Sent = nobody

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, with those of the clip."""
        if self.clip is None:
            return dict(self.headers)
        length = str(self.clip.size)
        kind = {"Content-Type": "application/octet-stream", "Content-Length": length}
        return {**kind, **self.headers}


def understand_call(clip: Clip, name: str, sent: Sent, options: Options) -> Call:
    """Return the call that has a clip understood, and answered in the format of this name."""
    called = {} if name in _NAMELESS else named(clip)
    query = {"format": name, **query_of({**called, **options})}
    return Call("POST", "/understand", query, clip, sent=sent)


def named(clip: Clip | None) -> dict[str, object]:
    """Return the option that tells the name of a clip's file; nothing if it has none."""
    return {"file_name": clip.content.name} if clip and isinstance(clip.content, Path) else {}


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a request is sent again, and how many seconds are waited for that in all.

    Only where that may help: the service says when (`Retry-After`), or the connection broke.
    """

    times: int = 4
    patience: float = 120.0


class Attempts:
    """The attempts at one call."""

    def __init__(self, retry: Retry) -> None:
        self._left, self._patience = retry.times, retry.patience
        self._wait = _FIRST_WAIT

    def wait_after(self, error: SsuError) -> float:
        """Return the seconds after which to try again; raise the error if that cannot help."""
        seconds = error.retry_after
        if seconds is None and isinstance(error, ServiceUnreachable):
            seconds, self._wait = self._wait, min(2 * self._wait, _LONGEST_WAIT)
        if seconds is None or self._left == 0 or seconds > self._patience:
            raise error
        self._left -= 1
        self._patience -= seconds
        # So that clients that were refused together do not come back together.
        return seconds * random.uniform(1.0, 1.2)


def base_of(url: str) -> str:
    """Return the URL of a service, without a slash at its end; OptionError if it is not one."""
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise OptionError(f"the service's URL cannot be read: {error}", actual=url) from error
    if read.scheme not in ("http", "https") or not read.host:
        raise OptionError(
            "the service's URL needs http:// or https:// and a host, like http://127.0.0.1:8000",
            actual=url,
        )
    return url.rstrip("/")


def headers_with(key: str | None) -> dict[str, str]:
    """Return the headers of every request."""
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def timeout(seconds: float) -> httpx.Timeout:
    """Return the timeouts of a client that waits so long for an answer."""
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)


@contextmanager
def connection_errors(url: str) -> Iterator[None]:
    """Raise the errors of a connection as ServiceErrors."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise ServiceSilent(f"{url} does not answer: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceUnreachable(f"{url}: {error}") from error


def failure_of(response: httpx.Response) -> SsuError:
    """Return the error that a response tells, an RFC 9457 problem that has been read."""
    retry_after = seconds_of(response.headers.get("retry-after"))
    try:
        return error_of(response.json(), retry_after=retry_after)
    except (ValueError, KeyError, TypeError, AttributeError):
        error = ServiceError(
            f"{response.url.copy_with(query=None)} returned status {response.status_code}, "
            f"and no error in the form of an SSUFormer service"
        )
        error.code, error.retry_after = f"http_{response.status_code}", retry_after
        return error
