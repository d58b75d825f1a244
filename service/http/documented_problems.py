"""Problems as the API's document tells of them: by status, every code with an example."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import getdoc
from typing import Any

from service.http.problems import CONTENT, STATUS, title_of
from service.understanding.schemas import Problem
from ssuformer import errors

Kind = type[errors.SsuError]
Responses = dict[int | str, dict[str, Any]]
"""What a route says about its answers, by status."""

OF_ANY_REQUEST: tuple[Kind, ...] = (
    errors.SsuError,
    errors.RequestMalformed,
    errors.HeadersTooLarge,
    errors.TooSlow,
    errors.TooManyConnections,
)
"""What a request may be answered with, whichever route it is for."""

NEVER_ANSWERED: tuple[Kind, ...] = (
    errors.ClipError,
    errors.RequestError,
    errors.JobError,
    errors.StudioError,
    errors.AnswerIncomplete,
    errors.ConfigError,
    errors.ParityError,
)
"""Bases that are not raised themselves, and errors of other programs than the service."""

OF_JOBS: tuple[Kind, ...] = tuple(
    kind
    for kind in STATUS
    if kind is not errors.JobError
    and issubclass(kind, errors.JobError | errors.TooManyJobs | errors.UrlRefused)
)
"""What only routes of jobs answer."""

OF_STUDIO: tuple[Kind, ...] = tuple(
    kind
    for kind in STATUS
    if kind is not errors.StudioError and issubclass(kind, errors.StudioError)
)
"""What only routes of the studio answer."""

_SCHEMA = {"$ref": "#/components/schemas/Problem"}
_MEANING: Mapping[Kind, str] = {
    errors.SsuError: "The service failed; its log says why, under the ID of the request.",
}
"""Of errors whose docstring is not about a request."""

_RETRY_AFTER = {
    "description": "Seconds after which trying again may help.",
    "schema": {"type": "integer"},
}
_HEADERS: Mapping[int, Mapping[str, Any]] = {
    401: {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}},
    429: {"Retry-After": _RETRY_AFTER},
    503: {"Retry-After": _RETRY_AFTER},
    507: {"Retry-After": _RETRY_AFTER},
}


def problems(*kinds: Kind) -> Responses:
    """Return a route's `responses`: the problems that these errors, and any request's, become."""
    grouped: dict[int, list[Kind]] = {}
    for kind in sorted({*kinds, *OF_ANY_REQUEST}, key=lambda kind: kind.code):
        grouped.setdefault(STATUS[kind], []).append(kind)
    return {status: _documented(status, grouped[status]) for status in sorted(grouped)}


def _documented(status: int, kinds: list[Kind]) -> dict[str, Any]:
    told = {kind.code: _meaning(kind) for kind in kinds}
    examples = {code: {"value": _example(status, code, said)} for code, said in told.items()}
    response: dict[str, Any] = {
        "description": "\n".join(f"- `{code}`: {said}" for code, said in told.items()),
        "content": {CONTENT: {"schema": _SCHEMA, "examples": examples}},
    }
    if status in _HEADERS:
        response["headers"] = _HEADERS[status]
    return response


def _meaning(kind: Kind) -> str:
    return _MEANING.get(kind) or (getdoc(kind) or "").partition("\n")[0]


def _example(status: int, code: str, detail: str) -> dict[str, Any]:
    body = Problem(title=title_of(status), status=status, code=code, detail=detail)
    return body.model_dump(exclude_none=True)


_OF_CLIPS = tuple(kind for kind in STATUS if kind not in (*NEVER_ANSWERED, *OF_JOBS, *OF_STUDIO))
PROBLEMS = problems(*_OF_CLIPS)
"""The `responses` of a route that takes a clip: every problem it may return."""

JOB_PROBLEMS = problems(*_OF_CLIPS, *OF_JOBS)
"""Those of a route that takes the clip of a job, or tells what became of it."""

STUDIO_CLIP_PROBLEMS = problems(*_OF_CLIPS, *OF_STUDIO, errors.JobsUnavailable)
"""Those of a route that takes a clip for the studio."""
