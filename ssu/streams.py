"""An answer that comes record by record, one on each line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ssu.answers import Answer, Frame
from ssu.errors import AnswerUnknown, error_of
from ssuformer.errors import AnswerIncomplete


class _Records:
    """What has come of an answer so far."""

    def __init__(self, source: Path | bytes | None) -> None:
        self._source = source
        self._head: dict[str, Any] = {}
        self._frames: list[Frame] = []
        self._answer: Answer | None = None

    @property
    def answer(self) -> Answer:
        """The whole answer, once the last window has come; AnswerIncomplete before."""
        if self._answer is None:
            raise AnswerIncomplete("it has no last record, so something is missing")
        return self._answer

    def _read(self, line: bytes | str) -> list[Frame]:
        """Return the frames of a record; raise the problem if it is one."""
        try:
            record = json.loads(line)
            kind = record.pop("record")
            if kind == "error":
                raise error_of(record["problem"], retry_after=record.get("retry_after"))
            return self._take(kind, record)
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise AnswerUnknown(f"not a record of an answer: {error}") from error

    def _take(self, kind: str, record: dict[str, Any]) -> list[Frame]:
        if kind == "head":
            self._head = record
        elif kind == "window":
            frames = [Frame.model_validate(frame) for frame in record["frames"]]
            self._frames += frames
            return frames
        elif kind == "tail":
            self._end(record)
        return []

    def _end(self, tail: dict[str, Any]) -> None:
        stated, found = tail.pop("frames"), len(self._frames)
        tail.pop("status", None)
        if stated != found:
            raise AnswerIncomplete(f"it has {found} frames of {stated}", limit=stated, actual=found)
        whole = {**self._head, **tail, "frames": self._frames}
        self._answer = Answer.read(whole, self._source)


class AnswerStream(_Records):
    """The windows of an answer, as they come, and the whole answer after the last one.

    Iterating raises the problem if there is one, and AnswerIncomplete if the end is missing.
    """

    def __init__(self, lines: Iterator[bytes | str], source: Path | bytes | None) -> None:
        super().__init__(source)
        self._lines = lines

    def __iter__(self) -> Iterator[list[Frame]]:
        """Yield the frames of each window."""
        for line in self._lines:
            if line and (frames := self._read(line)):
                yield frames
        _ = self.answer

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, one by one."""
        for window in self:
            yield from window


class AsyncAnswerStream(_Records):
    """The same for `async for`."""

    def __init__(self, lines: AsyncIterator[bytes | str], source: Path | bytes | None) -> None:
        super().__init__(source)
        self._lines = lines

    async def __aiter__(self) -> AsyncIterator[list[Frame]]:
        """Yield the frames of each window."""
        async for line in self._lines:
            if line and (frames := self._read(line)):
                yield frames
        _ = self.answer

    async def frames(self) -> AsyncIterator[Frame]:
        """Yield the frames, one by one."""
        async for window in self:
            for frame in window:
                yield frame
