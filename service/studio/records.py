"""What is stored of projects and clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from service.studio.layers import ClipShape, State

ClipState = Literal["preparing", "ready", "failed"]

PREPARING: ClipState = "preparing"
READY: ClipState = "ready"
FAILED: ClipState = "failed"


@dataclass(frozen=True, slots=True)
class Project:
    """A row of the table of projects."""

    id: str
    name: str
    fps: float
    categories: str
    """As JSON."""
    maker: str
    created: float


@dataclass(frozen=True, slots=True)
class Clip:
    """A row of the table of clips."""

    id: str
    project: str
    name: str
    """Of its file, as far as that is safe."""
    sender: str
    digest: str
    """SHA-256 of the film."""
    state: ClipState
    created: float
    progress: float = 0.0
    problem: str | None = None
    """As JSON, if it could not be prepared."""
    bytes: int = 0
    duration: float = 0.0
    width: int = 0
    height: int = 0
    frames: int = 0
    """Annotation frames."""
    facts: str | None = None
    """`ClipFacts`, model and warnings of the pre-label, as JSON."""
    token: int = 0
    """Grows with every gateway that prepares it; an earlier one can change nothing any more."""
    tries: int = 0
    leased_until: float = 0.0

    @property
    def shape(self) -> ClipShape:
        """What masks and times have to fit."""
        return ClipShape(
            height=self.height, width=self.width, frames=self.frames, duration=self.duration
        )


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer without what is in it."""

    clip: str
    annotator: str
    state: State
    revision: int
    created: float
    updated: float
