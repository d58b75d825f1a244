"""What a decoding process may say: every message is checked, as if it came from a stranger.

A process that a clip has taken over can say anything. Whatever is not exactly what the gateway
waits for raises Malformed: neither the request's code nor its memory depend on the process's word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from ssuformer import errors
from ssuformer.clip import ClipInfo, ClipWarning, Limits, Packets

Kind = Literal["ready", "info", "chunk", "end", "drawn"]
_LONGEST_SECONDS = 1e7
_LONGEST_WORD = 64
_MOST_WARNINGS = 64
_MOST_PACKETS = 10**9

_Text = Annotated[str, StringConstraints(max_length=2000)]
_Code = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,40}$")]
_Count = Annotated[int, Field(ge=0, le=_MOST_PACKETS)]
_Seconds = Annotated[float, Field(ge=0, le=_LONGEST_SECONDS)]


class Malformed(errors.DecodeFailed):
    """A decoding process sent what cannot be read."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Warning(_Said):
    code: _Code
    message: _Text


class End(_Said):
    """The last message about a clip."""

    duration: _Seconds
    warnings: Annotated[tuple[_Warning, ...], Field(max_length=_MOST_WARNINGS)]
    packets: tuple[_Count, _Count]

    @property
    def work(self) -> Packets:
        """How many packets were decoded, and how many dropped."""
        return Packets(*self.packets)

    @property
    def noted(self) -> tuple[ClipWarning, ...]:
        """The warnings, for the answer."""
        return tuple(ClipWarning(one.code, one.message) for one in self.warnings)


class _Error(_Said):
    name: _Text
    message: _Text
    limit: float | _Text | None
    actual: float | _Text | None


class Said(NamedTuple):
    """A message: its kind, its content, and how long the process says it has worked for it."""

    kind: Kind
    content: Any
    seconds: float


_INFO = TypeAdapter(ClipInfo)
_SECONDS = TypeAdapter(_Seconds)
_TIMES = TypeAdapter(list[_Seconds])


def read(line: bytes, kind: Kind, *others: Kind) -> Said:
    """Return a message, if it is of one of these kinds.

    Raises the error that the process reports, if it does, and Malformed for anything else.
    """
    try:
        message = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _malformed() from error
    if not isinstance(message, dict):
        raise _malformed()
    seconds = _valid(_SECONDS, message.pop("seconds", 0.0))
    if len(message) != 1:
        raise _malformed()
    ((said, content),) = message.items()
    if said == "error":
        raise _as_error(_valid(TypeAdapter(_Error), content))
    for known in (kind, *others):
        if said == known:
            return Said(known, content, seconds)
    raise _malformed()


def info_in(content: object, limits: Limits) -> ClipInfo:
    """Return the facts about a clip, if they can be those of a clip within the limits."""
    info: ClipInfo = _valid(_INFO, content)
    fits = info.width > 0 and info.height > 0 and info.width * info.height <= limits.pixels
    if not fits or not all(map(_reasonable, asdict(info).values())):
        raise _malformed()
    return info


def times_in(content: object, *, most: int, after: float) -> list[float]:
    """Return the times of a chunk: at most so many, rising, and later than the chunk before."""
    times: list[float] = _valid(_TIMES, content)
    if not 0 < len(times) <= most or not _rising([after, *times]):
        raise _malformed()
    return times


def end_in(content: object) -> End:
    """Return the last message about a clip."""
    end: End = _valid(TypeAdapter(End), content)
    return end


def _rising(times: Sequence[float]) -> bool:
    return all(earlier < later for earlier, later in pairwise(times))


def _reasonable(fact: object) -> bool:
    if isinstance(fact, str):
        return len(fact) <= _LONGEST_WORD and fact.isprintable()
    return not isinstance(fact, int | float) or (
        math.isfinite(fact) and abs(fact) <= _LONGEST_SECONDS
    )


def _valid(kind: TypeAdapter[Any], content: object) -> Any:  # noqa: ANN401
    try:
        return kind.validate_python(content)
    except ValidationError as error:
        raise _malformed() from error


def _malformed() -> Malformed:
    return Malformed("the process that decoded the clip sent a message that cannot be read")


def _as_error(report: _Error) -> errors.SsuError:
    """Return the error that the process raised; only errors a clip can cause are allowed."""
    kind = getattr(errors, report.name, None)
    if not isinstance(kind, type) or not issubclass(kind, errors.ClipError | errors.OptionError):
        return errors.DecodeFailed("the decoder failed on this clip")
    return kind(report.message, limit=report.limit, actual=report.actual)
