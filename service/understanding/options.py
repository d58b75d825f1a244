"""Options of a request; unknown options are rejected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from service.formats.catalogue import NAMES, describe
from service.formats.clip_names import safe_name
from service.understanding.mask_formats import MaskFormat, describe_formats
from ssuformer.clip import MOST_FPS

MaskSize = Literal["engine", "source"]


def _known(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"{name!r} is none of {', '.join(NAMES)}")
    return name


FormatName = Annotated[
    str, AfterValidator(_known), WithJsonSchema({"type": "string", "enum": list(NAMES)})
]

MOST_SECONDS = 1e6
"""The latest time that an option may name; far beyond any clip, and safe in microseconds."""

MOST_TRACKS = 2**16
"""The highest number of a track that an option may name; far beyond any clip."""


class Options(BaseModel):
    """The query parameters of `POST /understand`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fps: float | None = Field(
        default=None,
        ge=0.1,
        le=MOST_FPS,
        description="Frames to analyse per second; defaults to the model's training rate.",
    )
    format: FormatName | None = Field(default=None, description=describe())
    file_name: Annotated[str, Field(max_length=1024), AfterValidator(safe_name)] | None = Field(
        default=None,
        description=(
            "Name of the clip's file, for names and titles in the answer's format; otherwise the "
            "one in the form. Of a path only the end is taken, of the rest what any system allows."
        ),
    )
    mask_format: MaskFormat = Field(
        default="rle",
        description=describe_formats(),
    )
    mask_size: MaskSize = Field(
        default="source",
        description=(
            "`source`: masks and boxes in the pixels of the clip as a player shows it, upright and "
            "square; `engine`: in the model's own frame of 224x224, to which the clip is stretched."
        ),
    )
    min_score: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Leave out regions with a lower probability of sounding.",
    )
    captions: bool = Field(default=True, description="Whether to describe what sounds.")
    smooth: bool = Field(
        default=False,
        description=(
            "Add the frames between those that were analysed, as many as the clip has, at most 30 "
            "a second and no more in all than `samples` in `/limits`. Their masks are shapes "
            "between the analysed ones; no model looks at them."
        ),
    )
    start: float = Field(
        default=0.0, ge=0, le=MOST_SECONDS, description="Start time, in seconds of the clip."
    )
    end: float | None = Field(
        default=None, gt=0, le=MOST_SECONDS, description="End time, in seconds of the clip."
    )
    video_track: int | None = Field(
        default=None,
        ge=0,
        le=MOST_TRACKS,
        description=(
            "Which video track to analyse, counted from 0; otherwise a readable one that is no "
            "thumbnail, the default one first."
        ),
    )
    audio_track: int | None = Field(
        default=None,
        ge=0,
        le=MOST_TRACKS,
        description=(
            "Which sound track to analyse, counted from 0; otherwise a readable one, the default "
            "one first. The warning `tracks_left_out` names the others."
        ),
    )
    deadline: float | None = Field(
        default=None,
        gt=0,
        le=MOST_SECONDS,
        description="Fail with 504 after this many seconds. Capped by the server.",
    )

    @field_validator("end")
    @classmethod
    def _ends_after_it_starts(cls, end: float | None, info: ValidationInfo) -> float | None:
        start = info.data.get("start", 0.0)  # absent if it is invalid itself
        if end is not None and end <= start:
            raise ValueError(f"{end:g} is not after start, {start:g}")
        return end
