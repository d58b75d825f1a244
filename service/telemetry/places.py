"""Errors as the log shows them: where they were raised, and of which kind."""

from __future__ import annotations

from collections.abc import Iterator
from traceback import walk_tb

_MOST_CAUSES = 8


def places(error: BaseException) -> str:
    """Return the traceback of an error and of its causes, without their messages; opens no file.

    A message of an error that nobody raised on purpose may quote a clip, a name or a key.
    """
    causes: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and len(causes) < _MOST_CAUSES:
        causes.append(one)
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)
    return "\n".join(line for cause in reversed(causes) for line in _lines(cause))


def _lines(error: BaseException) -> Iterator[str]:
    for frame, line in walk_tb(error.__traceback__):
        yield f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}'
    yield f"{type(error).__module__}.{type(error).__qualname__}"
