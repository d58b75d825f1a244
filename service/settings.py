"""What can be set from outside, by environment variables that begin with `SSU_`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath, PositiveFloat, PositiveInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.telemetry.container import available_cores
from ssuformer.clip import Limits
from ssuformer.errors import ConfigError

PREFIX = "SSU_"

OTHERS = frozenset(
    f"{PREFIX}{name}"
    for name in (
        "DOCKER_DATA", "KEY", "PICTURES", "TEST_PORT", "TEST_PRECISION", "TRITON_ENVIRONMENT",
        "URL", "VENV", "WORKER",
    )
)  # fmt: skip
"""Variables with this prefix that are no settings: of scripts, tests and the command line."""

_SERVICE_LINK = re.compile(
    r"\w+_(SERVICE_HOST=|SERVICE_PORT\w*=|PORT_\d+_\w+=|PORT=(tcp|udp|sctp)://).*"
)
"""What Kubernetes sets in pods beside a Service named `ssu-...`: `SSU_GATEWAY_SERVICE_HOST=...`."""


class Settings(BaseSettings):
    """Everything that may differ between two deployments, with defaults for a small machine."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    engine: Literal["onnx", "triton", "fake"] = Field(
        default="onnx",
        description=(
            "Where the models run: in this process, on a Triton server, or nowhere "
            "(`fake`, for demos)."
        ),
    )
    model_repository: Path = Field(
        default=Path("triton_repo"),
        description=(
            "Folder of the models, laid out as Triton wants it; for `triton` their manifests do."
        ),
    )
    engine_threads: PositiveInt = Field(
        default_factory=available_cores,
        description="Threads of one segmentation; captions take one.",
    )
    probe_seconds: PositiveFloat = Field(
        default=10.0, description="A model that nobody used for so long is asked a small question."
    )
    circuit_failures: PositiveInt = Field(
        default=3, description="Failures in a row after which a model is taken to be down."
    )

    triton_address: str = Field(
        default="127.0.0.1:8001",
        pattern=r"^[^\s/]+:[0-9]+$",
        description=(
            "Where the Triton server answers gRPC, `host:port`. Of a name that stands for several "
            "servers (a headless service) all are used in turn."
        ),
    )
    triton_seconds: PositiveFloat = Field(
        default=30.0, description="Longest one inference may take on the server."
    )
    triton_concurrency: PositiveInt = Field(
        default=16, description="Inferences that are under way on the server at the same time."
    )
    triton_retries: int = Field(
        default=2, ge=0, description="How often to ask again when the connection broke."
    )
    triton_shared_memory: bool = Field(
        default=False,
        description="Hand inputs over in shared memory; for one server on the same host.",
    )
    triton_root_certificates: FilePath | None = Field(
        default=None, description="Certificates (PEM) to trust the server by; turns TLS on."
    )
    triton_certificate: FilePath | None = Field(
        default=None, description="Certificate (PEM) to show to the server."
    )
    triton_key: FilePath | None = Field(
        default=None, description="Private key (PEM) of that certificate."
    )

    workers: PositiveInt = Field(
        default=2, description="Clips that are worked on at the same time."
    )
    queue_limit: int = Field(
        default=16, ge=0, description="Clips that may wait; one more is refused: 429."
    )

    max_bytes: PositiveInt = Field(default=256 * 2**20, description="Size of an upload.")
    max_pixels: PositiveInt = Field(
        default=4096 * 2304, description="Pixels of one frame of the clip."
    )
    max_frames: PositiveInt = Field(
        default=40_000, description="Frames that are decoded of one clip."
    )
    max_seconds: PositiveFloat = Field(default=600.0, description="Duration of a clip.")

    deadline_seconds: PositiveFloat = Field(
        default=120.0, description="Longest a request may take; a client may ask for less."
    )
    decode_seconds: PositiveFloat = Field(
        default=30.0, description="Longest a clip may take to decode."
    )
    decode_memory: PositiveInt = Field(
        default=3 * 2**30, description="Address space of a decoding process, in bytes."
    )
    decode_threads: PositiveInt = Field(default=2, description="Threads of a decoding process.")
    window_overlap: PositiveInt = Field(
        default=2, description="Frames that neighbouring windows of a long clip have in common."
    )
    rollout_seconds: PositiveFloat = Field(
        default=10.0,
        description=(
            "How often the model repository is looked at for newer weights, which go into service "
            "once they have answered."
        ),
    )
    drain_seconds: float = Field(
        default=5.0, ge=0, description="How long to go on serving, not ready, after SIGTERM."
    )
    metrics_port: int = Field(
        default=9464, ge=0, le=65_535, description="Where metrics are served; 0 takes a free port."
    )
    keys_file: FilePath | None = Field(
        default=None,
        description=(
            "File with a bearer key per line; without one of them every route but health answers "
            "401. It is read again when it changes."
        ),
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def clip_limits(self) -> Limits:
        """The caps that a clip is decoded under."""
        return Limits(
            bytes=self.max_bytes,
            pixels=self.max_pixels,
            frames=self.max_frames,
            seconds=self.max_seconds,
            threads=self.decode_threads,
        )


def settings_for(
    *, models: Path | None = None, engine: str | None = None, **others: object
) -> Settings:
    """Return the settings of the environment, with what was given (not None) put over them.

    Raises ConfigError naming each setting that is wrong with its value, or a variable that begins
    with `SSU_` and is no setting.
    """
    for name in unknown_variables(os.environ):
        near = get_close_matches(name, [PREFIX + field.upper() for field in Settings.model_fields])
        hint = f"; did you mean {near[0]}?" if near else "; service/settings.py lists them"
        raise ConfigError(f"{name} is no setting{hint}", actual=name)
    given = {"model_repository": models, "engine": engine, **others}
    try:
        return Settings.model_validate({k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{'.'.join(map(str, item['loc'])).upper()} is {item['input']!r}: {item['msg']}"
            for item in error.errors()
        )
        raise ConfigError(f"a setting is wrong: {wrong}") from error


def unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables that begin with `SSU_` and that nothing here reads."""
    known = OTHERS | {PREFIX + field.upper() for field in Settings.model_fields}
    for name, value in environment.items():
        linked = _SERVICE_LINK.fullmatch(f"{name}={value}")
        if name.startswith(PREFIX) and name not in known and not linked:
            yield name
