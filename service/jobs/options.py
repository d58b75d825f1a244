"""Options of a job: those of `POST /understand`, and where the clip is and the end is told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.formats.catalogue import describe
from service.understanding.options import MOST_SECONDS, FormatName, Options


class JobOptions(Options):
    """The query parameters of `POST /jobs`."""

    deadline: float | None = Field(
        default=None,
        gt=0,
        le=MOST_SECONDS,
        description="Fail if it is not done this many seconds after it was sent.",
    )
    url: str | None = Field(
        default=None,
        max_length=2048,
        description="Where the clip is fetched from, instead of a body; only in the query.",
    )
    webhook: str | None = Field(
        default=None, max_length=2048, description="URL that is called when the job has ended."
    )


class ResultOptions(BaseModel):
    """Options of a job's result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: FormatName | None = Field(default=None, description=describe())
