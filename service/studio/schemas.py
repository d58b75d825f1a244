"""What the studio takes and tells over HTTP, besides layers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.studio.layers import (
    MOST_EDITS,
    Category,
    Edit,
    FrameNumber,
    MaskRle,
    State,
    TrackId,
)
from service.studio.records import Clip, ClipState, LayerRow, Project
from service.studio.tools.prompt import MOST_POINTS
from service.studio.words import is_line

MOST_FPS = 30


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _one_line(text: str) -> str:
    stripped = " ".join(text.split())
    if not stripped or not is_line(stripped):
        raise ValueError("it is empty, or has a control character")
    return stripped


class StudioTools(_Told):
    """What the tools are called."""

    masks: str = Field(examples=["u2netp"])
    through: str = Field(examples=["flow"])
    sentences: str = Field(examples=["model"])


class StudioFormat(_Told):
    """A format in which a project goes out and comes in."""

    name: str
    suffix: str
    summary: str
    imports: bool


class StudioFacts(_Told):
    """What the studio is like here."""

    fps: float = Field(description="Annotation frames a second of a new project.")
    tools: StudioTools
    limits: dict[str, float]
    formats: list[StudioFormat]
    categories: list[str] = Field(description="Names that the model knows.")
    me: str = Field(description="The name of your key: you are the annotator.")


class NewProject(_Asked):
    """A project to be made."""

    name: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_one_line)]
    fps: float = Field(default=5.0, ge=1, le=MOST_FPS, description="Annotation frames a second.")
    categories: list[Category] = Field(
        default=[], max_length=500, description="Names to choose from; of the model, if empty."
    )


class LayerSummary(_Told):
    """A layer without what is in it."""

    annotator: str
    state: State
    revision: int
    updated: datetime

    @classmethod
    def of(cls, row: LayerRow) -> Self:
        """Return what is told of a layer."""
        return cls(
            annotator=row.annotator,
            state=row.state,
            revision=row.revision,
            updated=_time(row.updated),
        )


class StudioProblem(_Told):
    """Why a clip could not be prepared."""

    code: str
    detail: str
    limit: float | str | None = None
    actual: float | str | None = None


class StudioClip(_Told):
    """A clip, and who has worked on it."""

    id: str
    project: str
    name: str
    state: ClipState
    progress: float = Field(description="Of preparing it, 0 to 1.")
    problem: StudioProblem | None = None
    duration: float = Field(description="Seconds; 0 until the clip is ready, as all that follows.")
    width: int
    height: int
    fps: float = Field(description="Annotation frames a second.")
    frames: int = Field(description="Annotation frames: frame i is at i / fps.")
    layers: list[LayerSummary]

    @classmethod
    def of(cls, clip: Clip, layers: list[LayerRow], *, fps: float) -> Self:
        """Return what is told of a clip."""
        return cls(
            id=clip.id,
            project=clip.project,
            name=clip.name,
            state=clip.state,
            progress=clip.progress,
            problem=None if clip.problem is None else StudioProblem(**orjson.loads(clip.problem)),
            duration=clip.duration,
            width=clip.width,
            height=clip.height,
            fps=fps,
            frames=clip.frames,
            layers=[LayerSummary.of(row) for row in layers if row.clip == clip.id],
        )


class StudioProject(_Told):
    """A project."""

    id: str
    name: str
    fps: float
    categories: list[str]
    maker: str
    created: datetime
    clips: list[StudioClip] | None = Field(
        default=None, description="In the order in which they were sent; not in lists."
    )

    @classmethod
    def of(cls, project: Project, clips: list[StudioClip] | None = None) -> Self:
        """Return what is told of a project."""
        return cls(
            id=project.id,
            name=project.name,
            fps=project.fps,
            categories=orjson.loads(project.categories),
            maker=project.maker,
            created=_time(project.created),
            clips=clips,
        )


class StudioProjects(_Told):
    """All projects, the newest first."""

    projects: list[StudioProject]


class Onsets(_Told):
    """Where something begins to sound."""

    onsets: list[float] = Field(description="Seconds, rising.")


class NewLayer(_Asked):
    """What my layer begins with."""

    source: str | None = Field(
        default=None,
        alias="from",
        max_length=64,
        description="The annotator whose layer is copied; null for an empty one.",
    )


BatchId = Annotated[str, Field(pattern=r"^[\w.:-]{1,64}$")]


class Edits(_Asked):
    """Edits of my layer, all of which are saved, or none."""

    id: BatchId = Field(description="Unique: the same again is answered as the first time.")
    base_revision: int = Field(ge=0, description="The revision that they are made to.")
    edits: list[Edit] = Field(min_length=1, max_length=MOST_EDITS)


class Saved(_Told):
    """What edits have made."""

    revision: int


class PromptPoint(_Asked):
    """A point on the picture, in pixels of what a player shows."""

    x: float
    y: float
    inside: bool


class MaskPrompt(_Asked):
    """What a person shows of a thing, in pixels of what a player shows."""

    frame: FrameNumber
    points: list[PromptPoint] = Field(default=[], max_length=MOST_POINTS)
    box: tuple[float, float, float, float] | None = Field(
        default=None, description="x, y, width, height."
    )
    stroke: list[tuple[float, float]] | None = Field(default=None, max_length=MOST_POINTS)
    previous: MaskRle | None = None


class MadeMask(_Told):
    """A mask that is not saved."""

    mask: MaskRle | None = Field(description="Null if nothing was found.")
    tool: str
    milliseconds: float


class Propagation(_Asked):
    """A mask to be carried on through frames, forwards or backwards."""

    track: TrackId
    frame: FrameNumber = Field(description="The frame whose mask it is.")
    to: FrameNumber = Field(description="The last frame, before or after it.")


class SentenceQuestion(_Asked):
    """What sentences are wanted of."""

    frame: FrameNumber
    track: TrackId


class ProposedSentences(_Told):
    """Sentences that are not saved, the likeliest first."""

    sentences: list[str]
    tool: str


class Doubt(_Told):
    """Something that a person should look at."""

    kind: Literal[
        "sound_without_mask", "mask_without_sound", "ear_eye", "track_break", "held_false", "swap"
    ]
    track: str | None = None
    start: float
    end: float
    score: float = Field(description="0 to 1; the most doubtful comes first.")
    why: str


class Doubts(_Told):
    """All doubts about a layer, the greatest first."""

    doubts: list[Doubt]


class OtherClip(_Asked):
    """The clip whose sound is taken."""

    other: str = Field(max_length=32)


class TrackPair(_Told):
    """A track of one annotator and that of the other which is most like it."""

    a: str | None
    b: str | None
    j: float | None = Field(description="Mean IoU over the frames in which either has a mask.")
    f: float | None = Field(description="F1 of their intervals.")
    category_same: bool


class Disagreement(_Told):
    """Where two annotators differ."""

    kind: Literal["track", "category", "mask", "interval", "sentence"]
    track_a: str | None
    track_b: str | None
    start: float
    end: float


class Agreement(_Told):
    """How far two annotators agree."""

    j: float | None = Field(description="Mean over all pairs; a track without a pair has 0.")
    f_intervals: float | None = Field(description="F1 of all intervals.")
    tracks: list[TrackPair]
    disagreements: list[Disagreement]


class TrackChoice(_Asked):
    """What is taken of a pair of tracks."""

    track_a: TrackId | None = None
    track_b: TrackId | None = None
    take: Literal["a", "b", "both", "none"]


class Adjudication(_Asked):
    """What is taken of the work of two annotators."""

    a: str = Field(max_length=64)
    b: str = Field(max_length=64)
    choices: list[TrackChoice] = Field(max_length=1000)


class QueuedClip(_Told):
    """A clip and how doubtful it is."""

    clip: str
    doubt: float
    doubts: int
    layer: str | None = Field(description="The annotator whose layer was looked at.")


class Queue(_Told):
    """Clips that are ready, the most doubtful first."""

    clips: list[QueuedClip]


class ImportedClip(_Told):
    """A clip that something was imported into."""

    clip: str
    file: str
    revision: int
    tracks: int


class Imported(_Told):
    """What an import has changed."""

    clips: list[ImportedClip]
    left_out: list[str] = Field(description="Files of the import that are of no clip of yours.")


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
