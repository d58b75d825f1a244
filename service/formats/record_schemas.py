"""The records of `records.py` as they are read: one model for each kind, and all as one type."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, RootModel

from service.formats.records import Complete, Heartbeat, Window
from service.understanding.schemas import Head, Problem, Tail


class HeadRecord(Head):
    """What is known before the first frame."""

    record: Literal["head"]


class WindowRecord(Window):
    """Consecutive frames of the answer, as soon as they are ready."""

    record: Literal["window"]


class HeartbeatRecord(Heartbeat):
    """Work goes on; anywhere, and only while nothing else is ready."""

    record: Literal["heartbeat"]


class TailRecord(Complete, Tail):
    """The last record of a whole answer."""

    record: Literal["tail"]


class ErrorRecord(BaseModel):
    """The last record of an answer that failed."""

    record: Literal["error"]
    status: Literal["failed"] = "failed"
    problem: Problem
    retry_after: int | None = Field(
        default=None, description="Seconds after which trying again may help."
    )


class AnswerRecord(
    RootModel[
        Annotated[
            HeadRecord | WindowRecord | HeartbeatRecord | TailRecord | ErrorRecord,
            Field(discriminator="record"),
        ]
    ]
):
    """A record of a streamed answer: a line of `ndjson`, the data of an event of `sse`."""
