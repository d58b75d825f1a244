"""What the pipeline asks of a backend, whichever it is.

Axes: t frames of one window, h w mask pixels, q queries, k categories, r region tokens, c channels,
n regions, l caption tokens. The arrays are named as in `ssuformer.contract`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
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


SEGMENTATION_OUTPUTS = tuple(field.name for field in fields(Segmentation))
CAPTION_OUTPUTS = tuple(field.name for field in fields(Captions))


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Which weights an engine has loaded, and where it runs."""

    manifest: Manifest
    """The label of the weights."""
    digest: str
    """SHA-256 that tells these weights from any others."""
    repository_version: int
    """The number of these weights in the model repository."""
    device: str
    """Where it computes, for people and metrics: `cpu`, `gpu`; `unknown` until it is known."""
    remote: bool
    """Whether it runs elsewhere, and so may come and go while this process lives."""


class Engine(Protocol):
    """A backend with one set of weights loaded; raises EngineError when it cannot answer."""

    facts: EngineFacts

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        """Find what sounds in a window: frames [t 224 224 3], a second of sound each [t 16000].

        After `timeout` seconds nobody waits for the answer any more; an engine that computes
        elsewhere says so there, one that computes here is cancelled by whoever waits.
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
        """Raise EngineError unless the model that would answer is the one of the manifest."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...
