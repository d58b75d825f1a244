"""Scenes with ground truth: the sample format of the training code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Split = Literal["train", "val", "test", "test-style"]
Profile = Literal["music", "lifescene"]


@dataclass(frozen=True, slots=True)
class Source:
    """An object in the picture that can sound: its masks, when it sounds, and its sentences."""

    category: str
    masks: npt.NDArray[np.bool_]
    """`[t h w]`: its visible pixels in every frame, sounding or not."""
    sounding: npt.NDArray[np.bool_]
    """`[t]`: whether it sounds in the second around each frame."""
    sentences: tuple[str, ...]
    """One per frame; empty if it is silent, or if nobody wrote one."""
    accepted: tuple[str, ...] = ()
    """Other names that are right for it."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A sound from outside the picture."""

    category: str
    sounding: npt.NDArray[np.bool_]
    """`[t]`: whether it sounds in the second around each frame."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A clip as engine inputs, with its ground truth."""

    frames: npt.NDArray[np.uint8]
    """`[t h w 3]` RGB."""
    waveform: npt.NDArray[np.float32]
    """`[t 16000]`: mono 16 kHz, -1..1, the second of sound around each frame."""
    sources: tuple[Source, ...]
    known: npt.NDArray[np.bool_] | None = None
    """`[t]`: frames whose truth is known; None means all."""
    unseen: tuple[Unseen, ...] = ()
    shots: npt.NDArray[np.int64] | None = None
    """`[t]`: the number of the shot that each frame is in; None if it is not told."""
    snr_db: float | None = None
    """Decibels of what sounds above the noise; None if it is not told."""

    def frames_known(self) -> npt.NDArray[np.intp]:
        """Return the numbers of the frames whose truth is known."""
        known = np.ones(len(self.frames), np.bool_) if self.known is None else self.known
        return np.flatnonzero(known)

    def at(self, frames: npt.NDArray[np.intp]) -> Scene:
        """Return a scene of these frames alone, in this order; a frame may occur twice."""
        return replace(
            self,
            frames=self.frames[frames],
            waveform=self.waveform[frames],
            sources=tuple(
                replace(
                    source,
                    masks=source.masks[frames],
                    sounding=source.sounding[frames],
                    sentences=tuple(source.sentences[frame] for frame in frames),
                )
                for source in self.sources
            ),
            unseen=tuple(replace(u, sounding=u.sounding[frames]) for u in self.unseen),
            known=None if self.known is None else self.known[frames],
            shots=None if self.shots is None else self.shots[frames],
        )

    def sounding_mask(self) -> npt.NDArray[np.bool_]:
        """Return `[t h w]`: the union of the masks of all sources that sound in each frame."""
        union = np.zeros(self.frames.shape[:3], dtype=np.bool_)
        for source in self.sources:
            union |= source.masks & source.sounding[:, None, None]
        return union
