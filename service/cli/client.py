"""The HTTP client of the command line: sends a clip, returns the answer or an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from ssuformer.closing import Closing
from ssuformer.errors import SsuError

_PIECE = 2**20
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 3600.0
"""Timeout for an answer; the service's own deadline is much shorter."""

ProgressCallback = Callable[[int], None]
"""Called with the number of bytes sent since the last call."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a request failed, for people (`detail`) and for programs (`code`)."""

    code: str
    detail: str
    limit: float | str | None = None
    actual: float | str | None = None
    retry_after: str | None = None

    @classmethod
    def of(cls, error: SsuError) -> Self:
        """Return an error of this process in the form in which the service reports it."""
        return cls(error.code, error.message, error.limit, error.actual)


class Client(Closing):
    """Client of one service; its methods return the body of the answer, or a Trouble."""

    def __init__(
        self, address: str, *, key: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._address = address
        self._http = httpx.Client(
            base_url=address,
            headers={} if key is None else {"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            transport=transport,
            trust_env=False,
        )

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def understand(
        self, file: Path, query: Mapping[str, Any], sent: ProgressCallback | None = None
    ) -> bytes | Trouble:
        """Send a clip and return the body of the answer."""
        try:
            size = file.stat().st_size
            pieces = _pieces(file, sent or (lambda _: None))
            return self._ask("POST", "/understand", query, content=pieces, size=size)
        except OSError as error:
            return Trouble("file_unreadable", f"{file}: {error.strerror}")

    def get(self, path: str) -> bytes | Trouble:
        """Return the body of a GET request for this path."""
        return self._ask("GET", path, {})

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        *,
        content: Iterator[bytes] | None = None,
        size: int = 0,
    ) -> bytes | Trouble:
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        try:
            response = self._http.request(
                method,
                path,
                params=query,
                content=content,
                headers=headers if content is not None else {},
            )
        except httpx.TimeoutException as error:
            return Trouble("service_silent", f"{self._address} does not answer: {error}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Trouble("service_unreachable", f"{self._address}: {error}")
        return response.content if response.is_success else _trouble(response)


def _pieces(file: Path, sent: ProgressCallback) -> Iterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE):
            yield piece
            sent(len(piece))


def _trouble(response: httpx.Response) -> Trouble:
    """Read an RFC 9457 problem; build a generic one if the response is not a problem."""
    try:
        told = response.json()
        return Trouble(
            code=str(told["code"]),
            detail=str(told["detail"]),
            limit=told.get("limit"),
            actual=told.get("actual"),
            retry_after=response.headers.get("retry-after"),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Trouble(
            f"http_{response.status_code}",
            f"{response.url.copy_with(query=None)} returned status {response.status_code}, "
            f"and no error in the form of an SSUFormer service",
        )
