"""Clips that are fetched from a URL."""

from __future__ import annotations

import asyncio
from typing import IO

import httpx

from service.jobs.outgoing import Outgoing
from service.settings import Settings
from ssuformer.errors import (
    ClipEmpty,
    ClipTooLarge,
    ClipUnsupported,
    InputRefused,
    InputUnreachable,
    SsuError,
)


class Inputs:
    """Fetches clips, within limits on size and time."""

    def __init__(self, settings: Settings, outgoing: Outgoing) -> None:
        self._bytes = settings.job_max_bytes
        self._seconds = settings.input_seconds
        self._outgoing = outgoing

    async def fetch(self, url: str, out: IO[bytes]) -> int:
        """Write the clip to a file, and return its size.

        Raises UrlRefused, ClipTooLarge, ClipEmpty or ClipUnsupported, InputRefused if the host
        refuses it, and InputUnreachable if it does not answer in time.
        """
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._outgoing.call(
                    "GET", url, seconds=self._seconds, headers={"Accept-Encoding": "identity"}
                ) as response,
            ):
                self._check(response)
                return await self._copy(response, out)
        except TimeoutError as error:
            limit = self._seconds
            message = f"the clip could not be fetched in {limit:g} s"
            raise InputUnreachable(message, limit=limit) from error
        except httpx.HTTPError as error:
            message = f"the clip could not be fetched: {type(error).__name__}"
            raise InputUnreachable(message) from error

    def _check(self, response: httpx.Response) -> None:
        status = response.status_code
        if status != httpx.codes.OK:
            passing = status >= 500 or status in (408, 429)
            kind = InputUnreachable if passing else InputRefused
            more = ", and redirects are not followed" if response.is_redirect else ""
            raise kind(f"the clip's host answers {status}{more}", actual=status)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ClipUnsupported("the clip's host compresses it; it has to send it as it is")
        stated = response.headers.get("content-length", "")
        if stated.isdecimal() and int(stated) > self._bytes:
            raise self._too_large(int(stated))

    async def _copy(self, response: httpx.Response, out: IO[bytes]) -> int:
        size = 0
        async for piece in response.aiter_raw(2**18):
            size += len(piece)
            if size > self._bytes:
                raise self._too_large(size)
            await asyncio.to_thread(out.write, piece)
        if not size:
            raise ClipEmpty("there is nothing at the clip's URL")
        return size

    def _too_large(self, size: int) -> SsuError:
        return ClipTooLarge(
            f"the clip has {size} bytes or more, the limit is {self._bytes}",
            limit=self._bytes,
            actual=size,
        )
