"""What can be set from outside, by environment variables that begin with `SSU_`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

from ssuformer.clip import Limits


class Settings(BaseSettings):
    """Everything that may differ between two deployments, with defaults for a small machine."""

    model_config = SettingsConfigDict(env_prefix="SSU_", frozen=True, extra="forbid")

    engine: Literal["onnx", "fake"] = Field(
        default="onnx",
        description="Where the models run: in this process, or nowhere (`fake`, for demos).",
    )
    model_repository: Path = Field(
        default=Path("triton_repo"),
        description="Folder of the models, laid out as Triton wants it.",
    )
    engine_threads: PositiveInt = Field(
        default_factory=lambda: available_cores(), description="Threads of one inference."
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
    drain_seconds: float = Field(
        default=5.0, ge=0, description="How long to go on serving, not ready, after SIGTERM."
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


def available_cores() -> int:
    """Return how many cores this process may use, by affinity and by its cgroup's quota."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, round(_cgroup_cores() or cores)))


def _cgroup_cores() -> float | None:
    """Return the processor quota of the cgroup in cores, or None if there is none."""
    root = Path("/sys/fs/cgroup")
    try:
        quota, period = (root / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (root / "cpu/cpu.cfs_quota_us").read_text()
            period = (root / "cpu/cpu.cfs_period_us").read_text()
        except OSError:
            return None
    if quota == "max" or float(quota) <= 0:
        return None
    return float(quota) / float(period)
