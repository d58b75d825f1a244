"""The response schema."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.understanding.mask_formats import WrittenMask
from ssuformer.clip import ClipInfo
from ssuformer.manifest import Manifest


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class WrongOption(BaseModel):
    """An option that is invalid, and why."""

    option: str = Field(examples=["fps"])
    message: str = Field(examples=["Input should be less than or equal to 30"])


class Problem(BaseModel):
    """An error for people (`detail`) and for programs (`code`, `limit`, `actual`)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(default="about:blank", description="Always `about:blank`; see `code`.")
    title: str = Field(description="The name of the status.", examples=["Content Too Large"])
    status: int = Field(description="The HTTP status code.", examples=[413])
    code: str = Field(description="Stable; switch on this.", examples=["clip_too_large"])
    detail: str = Field(
        description="What is wrong, and the limit.",
        examples=["a frame has 8192x4320 pixels, the limit is 9437184 in all"],
    )
    limit: float | str | None = Field(
        default=None, description="The limit that was crossed, if any."
    )
    actual: float | str | None = Field(default=None, description="The actual value.")
    errors: list[WrongOption] | None = Field(
        default=None, description="With the code `option_invalid`: each option that is invalid."
    )


class Region(_Answer):
    """One sound source in one frame."""

    track: int = Field(description="The same source has the same number in all frames.")
    score: float = Field(description="Probability that it sounds now.", examples=[0.93])
    category: str = Field(
        description="`something` if the model is not sure enough what it is.", examples=["dog"]
    )
    bbox: tuple[int, int, int, int] = Field(
        description="x, y, width, height, in pixels of `mask_size`."
    )
    area: int = Field(description="Pixels of the mask.")
    mask: WrittenMask | None
    description: str | None = Field(examples=["a dog is barking on the left."])


class Heard(_Answer):
    """A category that is heard in the second around a frame, seen or not."""

    category: str = Field(examples=["dog"])
    score: float = Field(description="Probability that it is heard.", examples=[0.87])
    region: int | None = Field(
        description="`track` of this frame's region of the category; null if none is shown.",
        examples=[None],
    )
    description: str | None = Field(
        description="What is said of it if it is not seen; a region has a sentence of its own.",
        examples=["a dog barks out of sight"],
    )


class Frame(_Answer):
    """One frame of the clip, its sound sources in the order of their tracks, and what is heard."""

    time: float = Field(description="Seconds from the start of the clip.", examples=[0.5])
    regions: list[Region]
    heard: list[Heard] = Field(
        default=[],
        description="Most probable first; always empty for models that do not say what is heard.",
    )
    between: bool = Field(
        default=False,
        exclude_if=lambda between: not between,
        description=(
            "With `smooth` only: this frame was not analysed. Its masks are made from those of the "
            "analysed frames before and after it; all else is the nearer one's."
        ),
    )


class Interval(_Answer):
    """Start and end, in seconds."""

    start: float
    end: float


class Sentence(Interval):
    """The description of a source over an interval in which it does not change."""

    text: str


class Track(_Answer):
    """One source over the whole clip."""

    id: int
    category: str
    intervals: list[Interval] = Field(description="Times when it sounds.")
    sentences: list[Sentence]


class ClipFacts(_Answer):
    """Properties of the clip."""

    duration: float = Field(description="Seconds.")
    width: int = Field(description="Pixels, as displayed: upright, with square pixels.")
    height: int
    rotation: int = Field(description="Degrees counter-clockwise that were applied.")
    mirrored: bool = Field(
        default=False, description="Whether left and right were exchanged, after turning."
    )
    audio: bool = Field(description="Whether there is a sound track.")
    fps: float | None = Field(description="Average frames per second of the clip, if known.")
    video_codec: str
    audio_codec: str | None
    video_track: int = Field(default=0, description="The track used, counted from 0.")
    audio_track: int | None = Field(default=None, description="The track used, if there is any.")

    @classmethod
    def of(cls, info: ClipInfo, duration: float) -> ClipFacts:
        """Return what is told about a clip that lasts so many seconds."""
        return cls(
            duration=round(duration, 3),
            width=info.width,
            height=info.height,
            rotation=info.rotation,
            mirrored=info.mirrored,
            audio=info.has_audio,
            fps=info.fps and round(info.fps, 3),
            video_codec=info.video_codec,
            audio_codec=info.audio_codec,
            video_track=info.video_track,
            audio_track=info.audio_track,
        )


class ModelFacts(_Answer):
    """The model that produced the answer."""

    name: str
    version: str
    digest: str = Field(description="SHA-256 of the weights.")


class Notice(_Answer):
    """A warning about this answer."""

    code: str = Field(
        description=(
            "Stable; switch on this. About the sound: `no_audio`, `silent_audio`, `quiet_audio`, "
            "`clipped_audio`, `audio_damaged`, `audio_clock`, `audio_shorter`; about the pictures: "
            "`picture_held`, `pictures_damaged`, `hdr`; about the clip: `clip_incomplete`, "
            "`tracks_left_out`, `clock_jumps`, `films_joined`; about the answer: `out_of_domain`, "
            "when there is sound in most seconds but little of it was recognised."
        ),
        examples=["out_of_domain"],
    )
    message: str = Field(
        description="For people, with the numbers.",
        examples=[
            "there is sound in 9 of 10 seconds, but something known was found in 1 of them; "
            "the model may not know what sounds here"
        ],
    )


class Head(_Answer):
    """What is known of an answer before its first frame."""

    model: ModelFacts
    sampled_fps: float = Field(description="Frames analysed per second.")
    start: float = Field(
        default=0.0, description="Start of the part that was asked for, in seconds of the clip."
    )
    end: float | None = Field(default=None, description="Its end; null if it is that of the clip.")
    smooth_fps: float | None = Field(
        default=None,
        description="With `smooth` only: frames of this answer per second.",
    )
    mask_size: tuple[int, int] = Field(
        description=(
            "Height, width of all masks and boxes: those of the clip as a player shows it, unless "
            "`mask_size=engine` was asked for."
        )
    )

    @property
    def step(self) -> float:
        """Seconds from one frame of this answer to the next."""
        return 1 / (self.smooth_fps or self.sampled_fps)

    @property
    def analysed_step(self) -> float:
        """Seconds from one analysed frame to the next."""
        return 1 / self.sampled_fps


class Tail(_Answer):
    """What is known of an answer after its last frame."""

    clip: ClipFacts
    timings_ms: dict[str, float] = Field(description="Milliseconds per stage, and in total.")
    warnings: list[Notice] = Field(description="Reasons to trust this answer less.")
    tracks: list[Track]


class Understanding(Head, Tail):
    """The sound sources of a clip: where, when, and in words."""

    frames: list[Frame]

    @property
    def until(self) -> float:
        """Where the part ends that was asked for, in seconds of the clip."""
        return self.clip.duration if self.end is None else min(self.end, self.clip.duration)

    @property
    def seconds(self) -> float:
        """How long the part lasts that was asked for."""
        return max(0.0, self.until - self.start)

    @property
    def analysed(self) -> list[Frame]:
        """The frames that were looked at: all, but with `smooth`."""
        return [frame for frame in self.frames if not frame.between]

    @classmethod
    def of(cls, head: Head, frames: list[Frame], tail: Tail) -> Understanding:
        """Return the answer that these are the parts of."""
        return cls(**dict(head), **dict(tail), frames=frames)


class LoadedModel(ModelFacts):
    """A loaded set of weights."""

    device: str
    created: str
    parameters: int
    categories: tuple[str, ...]
    frames_per_second: float
    window_frames: int
    sounding_threshold: float
    mask_threshold: float
    heard_threshold: float = 0.3
    category_threshold: float = 0.0
    metrics: dict[str, dict[str, float]]

    @classmethod
    def of(cls, manifest: Manifest, *, digest: str, device: str) -> LoadedModel:
        """Return the facts of a manifest, with the device the weights are loaded on."""
        return cls(
            name=manifest.name,
            version=manifest.version,
            digest=digest,
            device=device,
            created=manifest.created.isoformat(),
            parameters=manifest.parameters,
            categories=manifest.categories,
            frames_per_second=manifest.frames_per_second,
            window_frames=manifest.window_frames,
            sounding_threshold=manifest.thresholds.sounding,
            mask_threshold=manifest.thresholds.mask,
            heard_threshold=manifest.thresholds.heard,
            category_threshold=manifest.thresholds.category,
            metrics=manifest.metrics,
        )


class Models(_Answer):
    """All loaded weights."""

    models: list[LoadedModel]


class AcceptedRequests(_Answer):
    """The limits on requests and connections; `SSU_` and the name in capitals sets one."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    max_header_bytes: int = Field(description="Bytes of request line and headers; else 431.")
    max_headers: int = Field(description="Number of headers; else 431.")
    header_seconds: float = Field(description="Time for the headers; else 408.")
    idle_seconds: float = Field(description="Time until an idle connection is closed.")
    connection_requests: int = Field(description="Requests until a connection is closed.")
    connections: int = Field(description="Connections in all; else 429.")
    client_connections: int = Field(description="Connections from one address; else 429.")
    uploads: int = Field(description="Clips received at the same time; else 429.")
    upload_disk: int = Field(description="Bytes of all clips held on disk; else 429.")
    transfer_rate: float = Field(description="Least bytes per second of a body; else 408.")
    transfer_seconds: float = Field(description="Time a body may be behind that rate.")
    heartbeat_seconds: float = Field(
        description="Time between the records of a streamed answer, heartbeats included."
    )
    key_clips_per_minute: float | None = Field(description="Clips a minute with your key; or 429.")
    key_seconds_per_day: float | None = Field(description="Work a day for your key; else 429.")


class AcceptedJobs(_Answer):
    """The limits on jobs."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    job_max_bytes: int = Field(description="Bytes of a clip; else 413.")
    job_max_seconds: float = Field(description="Seconds of the part that is analysed.")
    job_ttl_seconds: float = Field(description="Time that a job is kept after its end.")
    jobs_unfinished: int = Field(description="Jobs of your key that are not done; else 429.")
    jobs_disk: int = Field(description="Bytes of all jobs' clips and results; else 507.")
    input_seconds: float = Field(description="Time to fetch a clip.")
    webhook_attempts: int = Field(description="Attempts at a webhook.")
    fetches: bool = Field(default=False, description="Whether `url=` is allowed to any host.")
    webhooks: bool = Field(default=False, description="Whether webhooks are, to any host.")


class Accepted(_Answer):
    """The limits on a clip and on a request."""

    bytes: int
    pixels: int = Field(description="Pixels per frame.")
    frames: int = Field(description="Decoded frames per clip.")
    decoded_pixels: float = Field(description="Pixels of all decoded frames of a clip.")
    seconds: float = Field(description="Of the part asked for with `start` and `end`.")
    samples: int = Field(description="Frames analysed per clip.")
    tracks: int = Field(description="Tracks of a clip of all kinds, subtitles included.")
    decode_seconds: float = Field(description="Time to decode a clip; else 422.")
    deadline_seconds: float
    queue: int = Field(description="Clips that may wait.")
    requests: AcceptedRequests
    jobs: AcceptedJobs | None = Field(default=None, description="Null if there are no jobs here.")
    formats: list[str]
    video_codecs: list[str]
    audio_codecs: list[str]


class Health(_Answer):
    """Whether the gateway is ready, and if not, why."""

    status: str = Field(examples=["ready"])
    reasons: list[str] = []
    sandbox: dict[str, str] = Field(
        default={},
        description="Layers of the decoding processes' sandbox: `on`, or why not.",
        examples=[{"system_calls": "on"}],
    )
