"""The interface between the pipeline and any backend.

Axes: t frames of one window, h w mask pixels, q queries, k categories, r region tokens, c channels,
n regions, l caption tokens. The arrays are named as in `ssuformer.contract`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ssuformer.manifest import Manifest
from ssuformer.regions import Float, Segmentation


@dataclass(frozen=True, slots=True)
class Captions:
    """A sentence per region, as token ids [n l] with their log-probabilities [n l]."""

    token_ids: NDArray[np.int64]
    log_probability: Float


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Which weights an engine has loaded, and where it runs."""

    manifest: Manifest
    """The manifest of the weights."""
    digest: str
    """SHA-256 that identifies these weights."""
    repository_version: int
    """The version of these weights in the model repository."""
    device: str
    """The device, for people and metrics: `cpu` or `gpu`; `unknown` until it is known."""
    remote: bool
    """Whether it runs outside this process and may become unavailable independently."""


class Engine(Protocol):
    """A backend with one set of weights loaded; raises EngineError when it cannot answer."""

    facts: EngineFacts

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        """Segment a window: frames [t 224 224 3], a second of sound each [t 16000].

        After `timeout` seconds the answer is no longer needed. A remote engine passes this on to
        its server; a local engine is cancelled by the caller.
        """
        ...

    async def caption(
        self,
        region_tokens: Float,
        scene_prompt: Float,
        source_prompt: Float,
        *,
        timeout: float | None = None,
    ) -> Captions:
        """Describe regions: tokens [n r c], prompts [n c] of the frames they are in."""
        ...

    async def check(self, model: str) -> None:
        """Raise EngineError unless the loaded model is the one of the manifest."""
        ...

    async def close(self) -> None:
        """Release all resources."""
        ...
