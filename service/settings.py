"""Settings, read from environment variables that begin with `SSU_`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BeforeValidator,
    Field,
    FilePath,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.telemetry.container import available_cores
from ssuformer.clip import Limits
from ssuformer.errors import ConfigError
from ssuformer.repository import default_repository, default_samples

PREFIX = "SSU_"

OTHERS = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "DOCKER_DATA", "KEY", "PICTURES", "TEST_PORT", "TEST_PRECISION", "TRITON_ENVIRONMENT",
        "URL", "VENV", "WORKER",
    )
)  # fmt: skip
"""Variables with this prefix that are not settings: of scripts, tests and the command line."""

_SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_HOST=|SERVICE_PORT\w*=|PORT_\d+_\w+=|PORT=(tcp|udp|sctp)://).*"
)
"""Variables that Kubernetes sets for a Service named `ssu-...`: `SSU_GATEWAY_SERVICE_HOST=...`."""


_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:\d+)?|https?://\[[0-9a-f:]+\](:\d+)?")


def _words(value: object) -> object:
    """Split what is separated by commas."""
    if isinstance(value, str):
        return tuple(word for word in map(str.strip, value.split(",")) if word)
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]


class Settings(BaseSettings):
    """All settings of a deployment, with defaults for a small machine."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    engine: Literal["onnx", "triton", "fake"] = Field(
        default="onnx",
        description=(
            "Where the models run: in this process, on a Triton server, or nowhere "
            "(`fake`, for demos)."
        ),
    )
    model_repository: Path = Field(
        default_factory=default_repository,
        description=(
            "Model repository in Triton's layout; for `triton` the manifests are enough. By "
            "default `triton_repo` of the current folder, of the checkout, or of the package."
        ),
    )
    engine_threads: PositiveInt = Field(
        default_factory=available_cores,
        description=(
            "Threads per segmentation, or segmentations at a time with one thread each while "
            "there is a clip in work for every core; captions use one."
        ),
    )
    probe_seconds: PositiveFloat = Field(
        default=10.0, description="Seconds a model may be idle before it is probed."
    )
    circuit_failures: PositiveInt = Field(
        default=3, description="Consecutive failures after which a model counts as down."
    )

    triton_address: str = Field(
        default="127.0.0.1:8001",
        pattern=r"^[^\s/]+:[0-9]+$",
        description=(
            "gRPC address of the Triton server, `host:port`. If a name resolves to several "
            "servers (a headless service), all are used in turn."
        ),
    )
    triton_seconds: PositiveFloat = Field(
        default=30.0, description="Maximum seconds of one inference on the server."
    )
    triton_concurrency: PositiveInt = Field(
        default=16, description="Concurrent inferences on the server."
    )
    triton_retries: int = Field(default=2, ge=0, description="Retries after a broken connection.")
    triton_shared_memory: bool = Field(
        default=False,
        description="Pass inputs in shared memory; only for a server on the same host.",
    )
    triton_root_certificates: FilePath | None = Field(
        default=None, description="CA certificates (PEM) to verify the server; enables TLS."
    )
    triton_certificate: FilePath | None = Field(
        default=None, description="Client certificate (PEM)."
    )
    triton_key: FilePath | None = Field(
        default=None, description="Private key (PEM) of the client certificate."
    )

    workers: PositiveInt = Field(default=2, description="Clips processed at the same time.")
    queue_limit: int = Field(
        default=16, ge=0, description="Clips that may wait in the queue; more get 429."
    )

    max_bytes: PositiveInt = Field(default=256 * 2**20, description="Size of an upload.")
    max_pixels: PositiveInt = Field(
        default=4096 * 2304, description="Pixels of one frame of the clip."
    )
    max_frames: PositiveInt = Field(default=40_000, description="Maximum frames decoded per clip.")
    max_decoded_pixels: PositiveFloat = Field(
        default=16e9, description="Pixels of all frames decoded per clip."
    )
    max_seconds: PositiveFloat = Field(
        default=600.0, description="Duration of the part of a clip that is analysed."
    )
    max_samples: PositiveInt = Field(default=6_000, description="Maximum frames analysed per clip.")

    max_header_bytes: PositiveInt = Field(
        default=32_768, description="Bytes of a request's line and headers; more get 431."
    )
    max_headers: PositiveInt = Field(default=100, description="Headers of a request; more get 431.")
    header_seconds: PositiveFloat = Field(
        default=10.0, description="Seconds in which a connection sends the headers of a request."
    )
    idle_seconds: PositiveFloat = Field(
        default=5.0, description="Seconds a connection may be idle after an answer."
    )
    connection_requests: PositiveInt = Field(
        default=1_000, description="Requests after which a connection is closed."
    )
    connections: PositiveInt = Field(
        default=512,
        description=(
            "Connections in all. For one more, the oldest without a request is closed; if each "
            "has one, it gets 429."
        ),
    )
    client_connections: PositiveInt = Field(
        default=128,
        description=(
            "Connections from one address (IPv6: from one /64); more get 429. Behind a proxy, "
            "set it to `connections`."
        ),
    )
    uploads: PositiveInt = Field(
        default=192, description="Clips received at the same time; more get 429."
    )
    upload_disk: PositiveInt = Field(
        default=4 * 2**30,
        description="Bytes of all clips held on the temporary disk; more get 429.",
    )
    transfer_rate: PositiveFloat = Field(
        default=16_384.0, description="Least bytes per second of an upload and of an answer."
    )
    transfer_seconds: PositiveFloat = Field(
        default=10.0, description="Seconds that an upload or an answer may be behind that rate."
    )

    deadline_seconds: PositiveFloat = Field(
        default=120.0, description="Maximum seconds of a request; a client may set less."
    )
    heartbeat_seconds: PositiveFloat = Field(
        default=5.0,
        description=(
            "Seconds after which an answer that is sent in records begins at the latest, and "
            "after which it says that work goes on."
        ),
    )
    decode_seconds: PositiveFloat = Field(
        default=30.0, description="Maximum seconds to decode a clip."
    )
    decode_memory: PositiveInt = Field(
        default=3 * 2**30, description="Address space of a decoding process, in bytes."
    )
    decode_threads: PositiveInt = Field(
        default=2,
        description=(
            "Threads of a decoding process; one while there is a clip in work for every core."
        ),
    )
    sandbox: Literal["required", "auto", "off"] = Field(
        default="auto",
        description=(
            "Sandbox of the decoding processes: `auto` puts on every layer that the kernel gives, "
            "`required` refuses to start without those that any container gives, `off` is for "
            "debugging."
        ),
    )
    window_overlap: PositiveInt = Field(
        default=2, description="Frames shared by neighbouring windows of a long clip."
    )
    rollout_seconds: PositiveFloat = Field(
        default=10.0,
        description=(
            "Seconds between checks of the model repository for newer weights, which go into "
            "service once they have passed the probe."
        ),
    )
    drain_seconds: float = Field(
        default=5.0, ge=0, description="Seconds to keep serving, not ready, after SIGTERM."
    )
    metrics_port: int = Field(
        default=9464, ge=0, le=65_535, description="Port of /metrics; 0 takes a free port."
    )
    keys_file: FilePath | None = Field(
        default=None,
        description=(
            "File with a bearer key per line: `KEY [name=NAME] [clips_per_minute=N] "
            "[seconds_per_day=N]`. Without one of them every route but health answers 401. It is "
            "read again when it changes."
        ),
    )
    key_clips_per_minute: PositiveFloat | None = Field(
        default=None, description="Clips a minute that a key may send; more get 429."
    )
    key_seconds_per_day: PositiveFloat | None = Field(
        default=None, description="Seconds of a worker that a key may use a day; then it gets 429."
    )
    jobs: str | None = Field(
        default=None,
        pattern=r"^(sqlite|postgresql)://",
        description=(
            "Store of jobs, which are off without one: `sqlite:////var/lib/ssu/jobs.sqlite` for "
            "one gateway, `postgresql://...` for several."
        ),
    )
    jobs_folder: str | Path | None = Field(
        default=None,
        description=(
            "Folder of the jobs' clips and results, the same for all gateways of a store, or the "
            "URL of a bucket (`s3://bucket/prefix`, `gs://`, `az://`); with SQLite by default "
            "`files` beside the database."
        ),
    )
    job_workers: PositiveInt = Field(
        default=1, description="Jobs worked on at the same time, behind the clips that wait."
    )
    job_part_seconds: PositiveFloat = Field(
        default=30.0,
        description=(
            "Seconds of a clip that a job has a worker for at a time, and that are lost if its "
            "gateway is."
        ),
    )
    job_lease_seconds: PositiveFloat = Field(
        default=30.0,
        description="Seconds after which the jobs of a gateway that is gone are taken over.",
    )
    job_ttl_seconds: PositiveFloat = Field(
        default=86_400.0, description="Seconds that a job is kept after its end."
    )
    job_max_bytes: PositiveInt = Field(default=2 * 2**30, description="Size of a job's clip.")
    job_max_seconds: PositiveFloat = Field(
        default=14_400.0, description="Duration of the part of a job's clip that is analysed."
    )
    jobs_unfinished: PositiveInt = Field(
        default=100, description="Jobs of a key that are not done yet; more get 429."
    )
    jobs_disk: PositiveInt = Field(
        default=64 * 2**30,
        description="Bytes of all jobs' clips and results; a job that would need more gets 507.",
    )
    studio: bool = Field(
        default=False,
        description=(
            "The studio at `/studio`, where people correct answers and make training data. It "
            "needs `jobs`, whose database and files it shares, and `keys_file`, whose names are "
            "those of the annotators."
        ),
    )
    studio_masks: str = Field(
        default="u2netp",
        description="What makes masks of clicks: `u2netp`, `grabcut` or `sam2.1:FOLDER`.",
    )
    studio_tracker: str = Field(
        default="flow",
        description="What carries masks through the film: `flow` or `sam2.1:FOLDER`.",
    )
    studio_sentences: str = Field(
        default="model",
        description=(
            "What proposes sentences: `model`, or the URL of an OpenAI-compatible endpoint that "
            "sees pictures."
        ),
    )
    studio_sentences_model: str = Field(
        default="", description="Name of the model that the endpoint is asked for."
    )
    studio_sentences_key_file: FilePath | None = Field(
        default=None, description="File with the endpoint's key."
    )
    studio_workers: PositiveInt = Field(
        default=1, description="Processes of the studio's tools, each for one call at a time."
    )
    studio_tool_seconds: PositiveFloat = Field(
        default=60.0,
        description="Maximum seconds of a call of a tool; of each frame, for tracking.",
    )
    studio_prepare_seconds: PositiveFloat = Field(
        default=600.0, description="Maximum processor seconds to write the frames of a clip."
    )
    studio_clip_seconds: PositiveFloat = Field(
        default=600.0, description="Duration of a clip of the studio."
    )
    studio_clip_bytes: PositiveInt = Field(
        default=2**30, description="Size of a clip of the studio, and of a file to be imported."
    )
    studio_projects: PositiveInt = Field(default=200, description="Projects of the studio.")
    studio_clips: PositiveInt = Field(default=1000, description="Clips of a project.")
    studio_tracks: PositiveInt = Field(default=64, description="Tracks of a layer.")
    studio_disk: PositiveInt = Field(
        default=64 * 2**30, description="Bytes of all clips of the studio, with their frames."
    )
    webhook_hosts: str = Field(
        default="",
        description=(
            "Hosts that webhooks may call, with commas: `hooks.example.org`, `*.example.org`, "
            "`host:8443`, `http://host` without TLS."
        ),
    )
    webhook_secret_file: FilePath | None = Field(
        default=None,
        description="File with a secret per line; webhooks are signed with each of them.",
    )
    webhook_attempts: PositiveInt = Field(
        default=12, description="Attempts at a webhook before it is given up."
    )
    webhook_retry_seconds: PositiveFloat = Field(
        default=5.0, description="Seconds before the second attempt; doubled before each other."
    )
    input_hosts: str = Field(
        default="", description="Hosts that clips may be fetched from, written as `webhook_hosts`."
    )
    input_seconds: PositiveFloat = Field(
        default=600.0, description="Maximum seconds to fetch a clip."
    )
    outgoing_networks: str = Field(
        default="",
        description=(
            "Networks that are not public and may be called all the same, with commas: "
            "`10.1.0.0/16`."
        ),
    )
    cors_origins: Words = Field(
        default=(),
        description=(
            "Origins whose pages may use the service from a browser, `https://films.example`, or "
            "`*` for all. Separated by commas."
        ),
    )
    root_path: str = Field(
        default="",
        pattern=r"^(/[\w.~-]+)*$",
        description="Path under which a proxy shows the service, `/ssu`.",
    )
    samples: Path | None = Field(
        default_factory=default_samples,
        description=(
            "Folder of clips (`.mp4`, `.webm`) that the page offers to everybody; by default "
            "`samples` of the checkout, or of the package."
        ),
    )
    trusted_proxies: Words = Field(
        default=("127.0.0.1", "::1"),
        description=(
            "Addresses and networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are "
            "believed, or `*` for all. Separated by commas."
        ),
    )
    traces: Literal["off", "on"] = Field(
        default="off",
        description=(
            "Spans of every request, exported by OTLP over HTTP as the variables `OTEL_*` say; "
            "needs the extra `traces`."
        ),
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is no origin, as https://films.example:8443 is")
        return origins

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            if network != "*":
                ip_network(network)
        return networks

    @property
    def clip_limits(self) -> Limits:
        """The limits that apply to decoding a clip."""
        return Limits(
            bytes=self.max_bytes,
            pixels=self.max_pixels,
            frames=self.max_frames,
            decoded_pixels=self.max_decoded_pixels,
            seconds=self.max_seconds,
            samples=self.max_samples,
            threads=self.decode_threads,
        )


def settings_for(
    *, models: Path | None = None, engine: str | None = None, **others: object
) -> Settings:
    """Return the settings of the environment, overridden by the arguments that are not None.

    Raises ConfigError naming each invalid setting with its value, or a variable that begins
    with `SSU_` and is not a setting.
    """
    for name in unknown_variables(os.environ):
        near = get_close_matches(name, [PREFIX + field.upper() for field in Settings.model_fields])
        hint = f"; did you mean {near[0]}?" if near else "; service/settings.py lists them"
        raise ConfigError(f"{name} is not a setting{hint}", actual=name)
    given = {"model_repository": models, "engine": engine, **others}
    try:
        return Settings.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'.'.join(map(str, item['loc'])).upper()} is {item['input']!r}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigError(f"invalid setting: {wrong}") from error


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables that begin with `SSU_` but are not settings."""
    known = OTHERS | {PREFIX + field.upper() for field in Settings.model_fields}
    for name, value in environment.items():
        linked = _SERVICE_LINK.fullmatch(f"{name}={value}")
        if name.startswith(PREFIX) and name not in known and not linked:
            yield name
