"""What can be set from outside, by environment variables that begin with `SSU_`."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.telemetry.container import available_cores
from ssuformer.clip import Limits
from ssuformer.errors import ConfigError

PREFIX = "SSU_"

NOT_SETTINGS = frozenset(
    {
        "SSU_DOCKER_DATA",
        "SSU_KEY",
        "SSU_PICTURES",
        "SSU_TEST_PORT",
        "SSU_TEST_PRECISION",
        "SSU_TRITON_ENVIRONMENT",
        "SSU_URL",
        "SSU_VENV",
    }
)
"""Variables with the prefix that scripts, tests and the command line read themselves."""


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
    canary_seconds: PositiveFloat = Field(
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


def refuse_unknown_variables() -> None:
    """Raise ConfigError if an environment variable has the prefix and names no setting."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for variable in sorted(os.environ):
        name = variable.upper()
        if name.startswith(PREFIX) and name not in NOT_SETTINGS and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{variable} is no setting{hint}")
