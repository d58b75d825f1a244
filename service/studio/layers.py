"""A layer: one annotator's work on one clip, and the edits that change it.

Times are seconds of the clip, to the millisecond; frames are annotation frames: frame i is at
`i / fps`. Masks are COCO's run-lengths in pixels of what a player shows.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from service.studio.words import is_line
from ssuformer.errors import EditInvalid
from ssuformer.masks import Mask
from ssuformer.run_lengths import mask_of_runs, read_runs

MODEL, AGREED = "model", "agreed"
"""Annotators that are nobody: the pre-label, and what two have agreed on."""

MOST_EDITS = 500
"""Of one request."""
MOST_INTERVALS = 1000
"""Of one track, and of one category that is heard."""
MOST_HEARD = 100
_LONGEST_COUNTS = 400_000
_LONGEST_SENTENCE = 500
_COUNTS = re.compile(r"(?:[P-o]{0,5}[0-O])*")
"""Numbers below 2 to the 29th, each of at most six digits."""
_TOLERANCE = 0.0015
"""Seconds by which an interval may end after its clip: times are rounded."""

State = Literal["open", "accepted", "rejected"]
Tool = Literal["brush", "click", "box", "stroke", "propagate", "model", "import", "text"]
EditTool = Literal["brush", "click", "box", "stroke", "propagate", "import"]


def _printable(text: str) -> str:
    if not is_line(text):
        raise ValueError("it has a line break or a control character")
    return text


def _to_milliseconds(seconds: float) -> float:
    return round(seconds, 3)


Seconds = Annotated[
    float, Field(ge=0, le=1e6, allow_inf_nan=False), AfterValidator(_to_milliseconds)
]
TrackId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Category = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_printable)]
Words = Annotated[str, Field(max_length=_LONGEST_SENTENCE), AfterValidator(_printable)]
FrameNumber = Annotated[int, Field(ge=0, le=10**7)]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class MaskRle(_Document):
    """COCO's compressed run-lengths; `size` is height, width."""

    size: tuple[int, int]
    counts: str = Field(max_length=_LONGEST_COUNTS)


class Provenance(_Document):
    """Who made something, with what, and when."""

    who: str
    tool: Tool
    model: str | None = Field(
        default=None, description="Digest of the weights, or name of the tool's model."
    )
    at: str = Field(description="Time, in UTC.", examples=["2026-11-29T20:00:00Z"])


class FrameMask(_Document):
    """A track's mask in an annotation frame."""

    frame: FrameNumber
    mask: MaskRle
    locked: bool = False
    """Whether tools leave it as it is."""
    held: bool = True
    """False: the tracker that carried it here was not sure."""
    by: Provenance | None = None


class _Span(_Document):
    start: Seconds
    end: Seconds

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> _Span:
        if self.end <= self.start:
            raise ValueError(f"it ends at {self.end:g}, and starts at {self.start:g}")
        return self


class Sounding(_Span):
    """A time in which a track sounds, and what is said of it."""

    sentence: Words | None = Field(
        default=None, description="Null if nothing is said, or the sentence before holds on."
    )
    inherited: bool = Field(
        default=False, description="Whether the sentence of the interval before holds on."
    )
    by: Provenance | None = None


class HeardSpan(_Span):
    """A time in which something is heard."""

    by: Provenance | None = None


class LayerTrack(_Document):
    """A source: where it is seen, and when it sounds. It may be seen when it is silent."""

    id: TrackId
    category: Category
    instance: int = Field(default=1, ge=1, le=999)
    masks: list[FrameMask] = []
    intervals: list[Sounding] = []


class HeardAlone(_Document):
    """What is heard and not seen."""

    category: Category
    intervals: list[HeardSpan] = Field(max_length=MOST_INTERVALS)


class Layer(_Document):
    """One annotator's work on one clip."""

    clip: str
    annotator: str
    revision: int = 0
    state: State = "open"
    tracks: list[LayerTrack] = []
    heard: list[HeardAlone] = []

    def track(self, identity: str) -> LayerTrack | None:
        """Return the track of this identity."""
        return next((one for one in self.tracks if one.id == identity), None)


class TrackNames(_Document):
    """A track without what is in it."""

    id: TrackId
    category: Category
    instance: int = Field(default=1, ge=1, le=999)


class PutTrack(_Document):
    """Add a track, or give one another category and instance."""

    op: Literal["put_track"]
    track: TrackNames


class DeleteTrack(_Document):
    """Remove a track with its masks and intervals."""

    op: Literal["delete_track"]
    track: TrackId


class PutMask(_Document):
    """Put a track's mask in a frame; null removes it."""

    op: Literal["put_mask"]
    track: TrackId
    frame: FrameNumber
    mask: MaskRle | None
    locked: bool = False
    tool: EditTool = "brush"


class PutIntervals(_Document):
    """Put all times in which a track sounds, with their sentences."""

    op: Literal["put_intervals"]
    track: TrackId
    intervals: list[Sounding] = Field(max_length=MOST_INTERVALS)


class PutHeard(_Document):
    """Put all that is heard and not seen."""

    op: Literal["put_heard"]
    heard: list[HeardAlone] = Field(max_length=MOST_HEARD)


class PutState(_Document):
    """Say what is to become of the layer."""

    op: Literal["state"]
    state: State


Edit = Annotated[
    PutTrack | DeleteTrack | PutMask | PutIntervals | PutHeard | PutState,
    Field(discriminator="op"),
]


class ClipShape(_Document):
    """What masks and times of a clip have to fit."""

    height: int
    width: int
    frames: int
    duration: float


def check_edit(edit: Edit, shape: ClipShape) -> None:
    """Raise EditInvalid unless an edit fits the clip."""
    if isinstance(edit, PutMask):
        if edit.frame >= shape.frames:
            raise EditInvalid(
                f"frame {edit.frame}: the clip has {shape.frames} annotation frames",
                limit=shape.frames, actual=edit.frame,
            )  # fmt: skip
        if edit.mask is not None:
            decoded(edit.mask, shape)
    elif isinstance(edit, PutIntervals):
        _check_spans(edit.intervals, shape, f"track {edit.track}")
    elif isinstance(edit, PutHeard):
        names = [one.category for one in edit.heard]
        if len(set(names)) < len(names):
            raise EditInvalid("a category is heard twice; put its intervals together")
        for one in edit.heard:
            _check_spans(one.intervals, shape, f"heard {one.category!r}")


def decoded(rle: MaskRle, shape: ClipShape) -> Mask:
    """Return a mask [h w]; EditInvalid unless it is one of the clip's size."""
    h, w = shape.height, shape.width
    if rle.size != (h, w):
        raise EditInvalid(
            f"the mask has {rle.size[1]}x{rle.size[0]} pixels, the clip {w}x{h}",
            limit=f"{w}x{h}", actual=f"{rle.size[1]}x{rle.size[0]}",
        )  # fmt: skip
    wrong = EditInvalid("the mask's run-lengths are not valid")
    if not _COUNTS.fullmatch(rle.counts):
        raise wrong
    runs = read_runs(rle.counts.encode())
    if min(runs, default=-1) < 0 or sum(runs) != h * w:
        raise wrong
    return mask_of_runs(runs, rle.size)


def _check_spans(spans: list[Sounding] | list[HeardSpan], shape: ClipShape, where: str) -> None:
    before = 0.0
    for one in spans:
        if one.end > shape.duration + _TOLERANCE:
            raise EditInvalid(
                f"{where}: an interval ends at {one.end:g} s, the clip at {shape.duration:g} s",
                limit=shape.duration, actual=one.end,
            )  # fmt: skip
        if one.start < before - 1e-9:
            raise EditInvalid(f"{where}: intervals overlap, or are not in order, at {one.start:g}")
        before = one.end


def now_text() -> str:
    """Return the time as it is told of in provenance."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
