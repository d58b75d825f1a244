"""Errors that only a client meets; all others are those of `ssuformer/errors.py`, by their code.

SsuError
└── ServiceError           a service cannot be used, or said what this client does not know
    ├── ServiceUnreachable no connection, or it broke
    ├── ServiceSilent      no answer in time
    └── AnswerUnknown      the answer is not one of an SSUFormer service
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ssuformer import errors
from ssuformer.errors import SsuError


class ServiceError(SsuError):
    """A service cannot be used, or reports what this client has no class for: see `code`."""

    code = "service_error"


class ServiceUnreachable(ServiceError):
    """There is no connection to the service, or it broke."""

    code = "service_unreachable"


class ServiceSilent(ServiceError):
    """The service did not answer in time."""

    code = "service_silent"


class AnswerUnknown(ServiceError):
    """The answer is not one of an SSUFormer service, or of another version of it."""

    code = "answer_unknown"


_KNOWN: Mapping[str, type[SsuError]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SsuError)
}


def error_of(problem: Mapping[str, Any], *, retry_after: float | None = None) -> SsuError:
    """Return what a problem of the service tells, as the error that the service raised.

    KeyError if it has no `code` or no `detail`.
    """
    code = str(problem["code"])
    kind = _KNOWN.get(code, ServiceError)
    limit, actual = problem.get("limit"), problem.get("actual")
    error = kind(str(problem["detail"]), limit=limit, actual=actual)
    error.code, error.retry_after = code, retry_after
    return error


def seconds_of(header: str | None) -> float | None:
    """Return the seconds that a header `Retry-After` names, or has until its date; None if none."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
