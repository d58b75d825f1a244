"""The answer as records, each complete in itself: sent one by one, and read back as one answer.

head        model, sizes
window      some consecutive frames, as in the answer; as many of these records as it takes
heartbeat   work goes on; anywhere, and only while nothing else is ready
tail        the last one: clip, timings, warnings, tracks, and the number of frames
error       the last one, in place of `tail`: a problem, as in the response to a failed request
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from service.understanding.schemas import Frame, Head, Tail, Understanding
from ssuformer.errors import AnswerIncomplete

Kind = Literal["head", "window", "heartbeat", "tail", "error"]

_FRAMES = 10
"""How many frames of a whole answer make a record."""
_FIRST = re.compile(rb'\s*\{\s*"record"')


class Window(BaseModel):
    """Consecutive frames of the answer."""

    frames: list[Frame]


class Heartbeat(BaseModel):
    """Work goes on: what is being done, and for how long the request has been here."""

    stage: str
    seconds: float


class Complete(BaseModel):
    """The answer is whole, and has this number of frames."""

    status: Literal["complete"] = "complete"
    frames: int


class Failed(BaseModel):
    """The answer ends here, because of this problem."""

    status: Literal["failed"] = "failed"
    problem: dict[str, Any]
    retry_after: int | None = None
    """Seconds after which trying again may help."""


@dataclass(frozen=True, slots=True)
class Record:
    """A part of an answer."""

    kind: Kind
    parts: tuple[BaseModel, ...]

    @property
    def json(self) -> bytes:
        """The record as one line of JSON."""
        members = (part.model_dump_json().encode()[1:-1] for part in self.parts)
        return b'{"record":"%s",%s}' % (self.kind.encode(), b",".join(members))


def window_record(frames: list[Frame]) -> Record:
    """Return the record of some frames."""
    return Record("window", (Window.model_construct(frames=frames),))


def tail_record(tail: Tail, *, frames: int) -> Record:
    """Return the last record of an answer with this number of frames."""
    return Record("tail", (Complete(frames=frames), tail))


def records_of(answer: Understanding) -> Iterator[Record]:
    """Yield the records of a whole answer."""
    facts = dict(answer)
    yield Record(
        "head", (Head.model_construct(**{name: facts[name] for name in Head.model_fields}),)
    )
    frames = iter(answer.frames)
    while some := list(islice(frames, _FRAMES)):
        yield window_record(some)
    tail = Tail.model_construct(**{name: facts[name] for name in Tail.model_fields})
    yield tail_record(tail, frames=len(answer.frames))


def are_records(content: bytes) -> bool:
    """Return whether this is an answer in records, one on each line."""
    return _FIRST.match(content) is not None


def read_records(lines: Iterable[bytes]) -> Understanding:
    """Return the answer that was sent in these lines; raise AnswerIncomplete if it is not whole."""
    head: Head | None = None
    frames: list[Frame] = []
    for line in filter(bytes.strip, lines):
        content = orjson.loads(line)
        kind = content.pop("record")
        if kind == "head":
            head = Head.model_validate(content)
        elif kind == "window":
            frames += Window.model_validate(content).frames
        elif kind == "error":
            problem = Failed.model_validate(content).problem
            raise AnswerIncomplete(f"it ends with {problem.get('code')}: {problem.get('detail')}")
        elif kind == "tail" and head is not None:
            return _whole(head, frames, content)
    raise AnswerIncomplete("it has no last record, so something is missing")


def _whole(head: Head, frames: list[Frame], tail: dict[str, Any]) -> Understanding:
    stated = tail.pop("frames")
    if stated != len(frames):
        raise AnswerIncomplete(
            f"it has {len(frames)} frames of {stated}", limit=stated, actual=len(frames)
        )
    return Understanding.of(head, frames, Tail.model_validate(tail))
