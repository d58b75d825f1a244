"""A scene and what is true of it: the form that the training code takes its samples in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Split = Literal["train", "val", "test", "test-style"]
Profile = Literal["music", "lifescene"]


@dataclass(frozen=True, slots=True)
class Source:
    """A thing in the picture that can sound: where it is, when it sounds and what is said of it."""

    category: str
    masks: npt.NDArray[np.bool_]
    """`[t h w]`: its visible pixels in every frame, sounding or not."""
    sounding: npt.NDArray[np.bool_]
    """`[t]`: whether it sounds in the second around each frame."""
    sentences: tuple[str, ...]
    """One per frame; empty where it is silent."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A clip as the engines take it, with its truth."""

    frames: npt.NDArray[np.uint8]
    """`[t h w 3]` RGB."""
    waveform: npt.NDArray[np.float32]
    """`[t 16000]`: mono 16 kHz, -1..1, the second of sound around each frame."""
    sources: tuple[Source, ...]

    def sounding_mask(self) -> npt.NDArray[np.bool_]:
        """Return `[t h w]`: the union of the masks of what sounds in each frame."""
        union = np.zeros(self.frames.shape[:3], dtype=np.bool_)
        for source in self.sources:
            union |= source.masks & source.sounding[:, None, None]
        return union
