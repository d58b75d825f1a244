"""What is stored of a job, its parts, and the calls that tell of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "working", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the table of jobs."""

    id: str
    owner: str
    """The name of the key it was sent with; empty without keys."""
    idempotency_key: str | None
    request_digest: str
    """Of the clip, or its URL, and the options: the same request has the same."""
    options: str
    """As JSON."""
    url: str | None
    webhook: str | None
    state: State
    created: float
    started: float | None = None
    finished: float | None = None
    expires: float | None = None
    not_before: float = 0.0
    token: int = 0
    """Grows with every gateway that takes the job; an earlier one can change nothing any more."""
    leased_until: float = 0.0
    fruitless: int = 0
    """How often it has been taken since its last part was done."""
    bytes: int = 0
    parts: int = 0
    frames: int = 0
    seconds_done: float = 0.0
    seconds_in_all: float | None = None
    answer: str | None = None
    """Name of the file with the answer's head."""
    error: str | None = None
    """As JSON, if it failed."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will be done."""
        return self.state in ("done", "failed")


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part of a job that is done; its files are named after it."""

    number: int
    name: str
    frames: int
    ended: bool
    facts: str
    """What the answer needs besides the frames, as JSON."""


def path_of(job: str, root: str) -> str:
    """Return the path of a job as clients see it, `root` being that of the service."""
    return f"{root}/jobs/{job}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A call that tells of a job's end until the receiver takes it."""

    id: str
    job: str
    event: str
    url: str
    body: str
    tries: int = 0
    next_at: float | None = None
    delivered: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a delivery; without status and error, nobody knows how it went."""

    number: int
    at: float
    seconds: float | None
    status: int | None
    error: str | None
