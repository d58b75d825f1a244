"""Answers of a model to decoded clips, by the served path from the decoded clip on.

The windows, the engines and the rules for regions are those of the service.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from benchmarks.onnx_predictor import OnnxPredictor
from benchmarks.sounds import Samples
from service.settings import Settings
from service.understanding.windows import Window, cut
from ssuformer.clip import Chunk, read_clip
from ssuformer.contract import FRAME_SIZE
from ssuformer.errors import ConfigError
from ssuformer.model import checkpoint as checkpoints
from ssuformer.repository import WEIGHTS, open_repository
from ssuformer.terminal import console
from training.metrics.regions import PredictedRegion, TrueRegion, match, pairwise_iou
from training.predictor import Predictor, TorchPredictor

SUFFIXES = frozenset({".mp4", ".webm", ".mkv", ".mov", ".avi", ".m4v"})

SAME_IOU = 0.5
"""A region is in another answer, too, if one of the same name there overlaps it so much."""

Answer = list[list[PredictedRegion]]
"""The regions of every second."""


@dataclass(frozen=True, slots=True)
class Film:
    """A decoded clip."""

    name: str
    chunk: Chunk

    @property
    def samples(self) -> Samples:
        """Its whole sound."""
        return self.chunk.waveform.reshape(-1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A model with the windows it is served in."""

    name: str
    predictor: Predictor
    window_frames: int

    def answer(self, film: Film, samples: Samples) -> Answer:
        """Return the regions of every second of a film with another sound of the same length."""
        waveform = samples.reshape(film.chunk.waveform.shape)
        chunk = Chunk(film.chunk.frames, waveform, film.chunk.times)
        answer: Answer = []
        for window in asyncio.run(_windows(chunk, self.window_frames)):
            found = self.predictor.segment(window.chunk.frames[None], window.chunk.waveform[None])
            (seconds,) = self.predictor.regions(found, (FRAME_SIZE, FRAME_SIZE), captions=False)
            answer += seconds[window.fresh :]
        return answer


async def _windows(chunk: Chunk, size: int) -> list[Window]:
    async def whole() -> AsyncIterator[Chunk]:
        yield chunk

    overlap = min(int(Settings.model_fields["window_overlap"].default), size - 1)
    return [window async for window in cut(whole(), size=size, overlap=overlap)]


def open_subject(folder: Path, *, threads: int = 1) -> Subject:
    """Return the model of a model repository or of a checkpoint folder; ConfigError if neither."""
    if not (folder / WEIGHTS).exists():
        window = open_repository(folder).manifest.window_frames
        return Subject(str(folder), OnnxPredictor(folder, threads=threads), window)
    model, manifest = checkpoints.load(folder)
    return Subject(str(folder), TorchPredictor.of(model, manifest), manifest.window_frames)


def read_films(folders: Sequence[Path]) -> list[Film]:
    """Return the decoded clips of some folders; ConfigError if there are none."""
    paths = [p for f in folders for p in sorted(f.glob("*")) if p.suffix.lower() in SUFFIXES]
    if not paths:
        raise ConfigError(f"no clip in {', '.join(map(str, folders))}")
    films = []
    for path in track(paths, "decoding", console=console(errors=True), transient=True):
        clip = read_clip(path)
        films.append(Film(path.name, Chunk(clip.frames, clip.waveform, clip.times)))
    return films


def common(one: Answer, other: Answer) -> float | None:
    """Return the mean share of regions in common, over the seconds in which either has any.

    A second's share is `2 m / (n + o)` for m pairs of n and o regions. None if there is no region.
    """
    shares = [
        2 * len(match(_overlaps(ours, theirs), least=SAME_IOU)) / (len(ours) + len(theirs))
        for ours, theirs in zip(one, other, strict=True)
        if ours or theirs
    ]
    return float(np.mean(shares)) if shares else None


def _overlaps(
    ours: Sequence[PredictedRegion], theirs: Sequence[PredictedRegion]
) -> npt.NDArray[np.float64]:
    """Return `[n o]`: the overlap of every pair of regions, 0 where the names differ."""
    same = np.array([[a.category == b.category for b in theirs] for a in ours], np.bool_)
    others = [TrueRegion(region.mask, region.category) for region in theirs]
    overlaps = pairwise_iou(ours, others)
    return overlaps * same.reshape(overlaps.shape)


def answered(answer: Answer) -> float:
    """Return the share of seconds with any region."""
    return float(np.mean([bool(regions) for regions in answer]))
