"""The answer of the service, typed. What a newer service adds is kept, and is in `to_json()`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from ssu import written
from ssu.errors import AnswerUnknown
from ssuformer.errors import SsuError
from ssuformer.outlines import fill
from ssuformer.run_lengths import Mask, mask_of_runs, read_runs


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)


Kind = TypeVar("Kind", bound=_Told)


def parsed(kind: type[Kind], body: bytes | Mapping[str, Any]) -> Kind:
    """Return what a JSON document tells; AnswerUnknown if it is something else."""
    try:
        if isinstance(body, bytes):
            return kind.model_validate_json(body)
        return kind.model_validate(body)
    except ValidationError as error:
        reason = error.errors()[0]
        place = ".".join(map(str, reason["loc"]))
        raise AnswerUnknown(f"not an answer of the service: {place}: {reason['msg']}") from None


class WrittenMask(_Told):
    """A mask as it was sent, in one of the forms that `mask_format` names."""

    size: tuple[int, int]
    counts: str | list[int] | None = None
    rings: list[list[int]] | None = None
    png: str | None = None

    def to_array(self) -> Mask:
        """Return it as a bool array [height width]; ConfigError for PNG without the service."""
        if isinstance(self.counts, str):
            return mask_of_runs(read_runs(self.counts.encode()), self.size)
        if self.counts is not None:
            return mask_of_runs(self.counts, self.size)
        if self.rings is not None:
            return fill(self.rings, self.size)
        return written.read_png(self.size, self.png or "")


class Region(_Told):
    """One sound source in one frame."""

    track: int
    """The same source has the same number in all frames."""
    score: float
    category: str
    """`something` if the model is not sure what it is."""
    bbox: tuple[int, int, int, int]
    """x, y, width, height."""
    area: int
    written: WrittenMask | None = Field(default=None, alias="mask")
    """The mask as it was sent; None with `mask_format="none"`."""
    description: str | None = None

    @cached_property
    def mask(self) -> Mask | None:
        """The mask as a bool array [height width]; None with `mask_format="none"`."""
        return None if self.written is None else self.written.to_array()


class Heard(_Told):
    """A category that is heard in the second around a frame, seen or not."""

    category: str
    score: float
    region: int | None = None
    """The track of this frame's region of the category; None if it is not seen."""
    description: str | None = None


class Frame(_Told):
    """One analysed frame of the clip."""

    time: float
    """Seconds from the start of the clip."""
    regions: list[Region]
    heard: list[Heard] = []
    between: bool = False
    """With `smooth`: it was not analysed; its masks lie between those of the frames around it."""


class Interval(_Told):
    """Start and end, in seconds."""

    start: float
    end: float


class Sentence(Interval):
    """The description of a source over an interval in which it does not change."""

    text: str


class Track(_Told):
    """One source over the whole clip."""

    id: int
    category: str
    intervals: list[Interval]
    """When it sounds."""
    sentences: list[Sentence]


class ClipFacts(_Told):
    """Properties of the clip."""

    duration: float
    """Seconds."""
    width: int
    height: int
    rotation: int = 0
    mirrored: bool = False
    audio: bool
    fps: float | None = None
    video_codec: str
    audio_codec: str | None = None
    video_track: int = 0
    audio_track: int | None = None


class ModelFacts(_Told):
    """The model that produced an answer."""

    name: str
    version: str
    digest: str


class Model(ModelFacts):
    """A model that a service has loaded."""

    device: str
    categories: list[str]
    frames_per_second: float
    metrics: dict[str, dict[str, float]] = {}


class _Models(_Told):
    models: list[Model]


def models_of(body: bytes) -> list[Model]:
    """Return the models that `GET /models` tells of."""
    return parsed(_Models, body).models


class Notice(_Told):
    """A reason to trust an answer less."""

    code: str
    message: str


class Answer(_Told):
    """What sounds in a clip: where, when, and in words."""

    clip: ClipFacts
    model: ModelFacts
    sampled_fps: float
    """Frames analysed per second."""
    smooth_fps: float | None = None
    """With `smooth`: frames of this answer per second."""
    mask_size: tuple[int, int]
    """Height and width of all masks; boxes are in these pixels."""
    timings_ms: dict[str, float]
    warnings: list[Notice]
    frames: list[Frame]
    tracks: list[Track]

    _source: Path | bytes | None = PrivateAttr(default=None)

    @classmethod
    def read(cls, body: bytes | Mapping[str, Any], source: Path | bytes | None = None) -> Answer:
        """Return the answer of a JSON document, about a clip if it is at hand.

        Raises AnswerUnknown if the document is something else.
        """
        answer = parsed(cls, body)
        answer._source = source
        return answer

    @classmethod
    def open(cls, path: str | Path, clip: str | Path | None = None) -> Answer:
        """Return an answer that was kept as JSON, about a clip if it is given."""
        return cls.read(Path(path).read_bytes(), None if clip is None else Path(clip))

    def to_json(self) -> bytes:
        """Return the JSON document, as it was sent."""
        return self.model_dump_json(by_alias=True, exclude_unset=True).encode()

    def to(self, name: str) -> bytes:
        """Return the answer in the format of this name: `docs/formats.md` lists all.

        Raises OptionError for an unknown name or if the format needs what is not at hand,
        ConfigError if the service is not installed here.
        """
        return written.write(self.to_json(), name, self._source)

    def to_coco(self) -> dict[str, Any]:
        """Return the answer as COCO's instances."""
        found: dict[str, Any] = json.loads(self.to("coco"))
        return found

    def to_webvtt(self) -> str:
        """Return the sentences as WebVTT."""
        return self.to("webvtt").decode()

    def to_srt(self) -> str:
        """Return the sentences as SubRip."""
        return self.to("srt").decode()

    def save(self, path: str | Path, name: str | None = None) -> Path:
        """Write the answer in the format of this name, else of the path's suffix; return the path.

        `clip.json`, `clip.vtt`, `clip.coco.json`, `clip.overlay.mp4`, `clip.sheet.png`.
        """
        path = Path(path)
        name = name or written.name_for(path.name)
        path.write_bytes(self.to_json() if name == "json" else self.to(name))
        return path

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the contact sheet, if the clip is at hand, and tracks."""
        from ssu.notebook import page

        try:
            sheet = None if self._source is None else self.to("sheet")
        except (SsuError, OSError):
            sheet = None
        return page(self, sheet)


class JobProgress(_Told):
    """How far a job is, in seconds of its clip."""

    seconds_done: float
    seconds_in_all: float | None = None
    """None until the clip has been opened."""


class JobError(_Told):
    """Why a job failed."""

    code: str
    detail: str
    limit: float | str | None = None
    actual: float | str | None = None


class Job(_Told):
    """A clip that is understood in the background."""

    id: str
    state: Literal["waiting", "working", "done", "failed"]
    created: datetime
    started: datetime | None = None
    finished: datetime | None = None
    expires: datetime | None = None
    """When the job and its result are removed."""
    progress: JobProgress
    error: JobError | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed")


class JobList(_Told):
    """Some jobs, the newest first."""

    jobs: list[Job]
    next: float | None = None
    """Give it as `before` to get the jobs before these."""
