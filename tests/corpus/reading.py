"""Have an input decoded as the service does, in a sandboxed process, and see what came out."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.understanding.decoding import DecodePool
from ssuformer.clip import Chunk, ClipInfo, ClipWarning, Sampling
from ssuformer.contract import SAMPLE_RATE
from ssuformer.errors import SsuError

SAMPLED = 25.0
"""Pictures per second that are looked at."""
_WHITE = 180.0
_ONSET = 0.3
"""Share of the loudest sample from which a sound has set in."""
_CORNERS = ("top left", "top right", "bottom left", "bottom right")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read of a clip: its facts, pictures [t h w 3], sound [n], and times [t]."""

    info: ClipInfo
    duration: float
    warnings: tuple[ClipWarning, ...]
    times: NDArray[np.float64]
    frames: NDArray[np.uint8]
    waveform: NDArray[np.float32]
    """From half a second before the first time on."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of the warnings."""
        return tuple(warning.code for warning in self.warnings)

    @property
    def flash(self) -> float | None:
        """When the picture turned white, in seconds; None if it did not."""
        bright = np.flatnonzero(self.frames.mean((1, 2, 3)) > _WHITE)
        return float(self.times[bright[0]] - 0.5 / SAMPLED) if len(bright) else None

    @property
    def click(self) -> float | None:
        """When the sound set in, in seconds; None if it did not."""
        loud = np.abs(self.waveform)
        if loud.max(initial=0) < 0.02:
            return None
        first = int(np.flatnonzero(loud > _ONSET * loud.max())[0])
        return first / SAMPLE_RATE + float(self.times[0]) - 0.5

    @property
    def corner(self) -> str:
        """The brightest quarter of the first picture."""
        return _CORNERS[int(np.argmax([quarter.mean() for quarter in self._quarters()]))]

    @property
    def redness(self) -> float:
        """How much more red than blue there is in that quarter."""
        quarter = max(self._quarters(), key=lambda one: float(one.mean()))
        return float(quarter[..., 0].mean() - quarter[..., 2].mean())

    @property
    def digest(self) -> str:
        """The same for the same answer only."""
        facts = repr((self.info, self.duration, self.warnings, self.times.tolist()))
        found = hashlib.sha256(facts.encode())
        found.update(self.frames.tobytes())
        found.update(self.waveform.tobytes())
        return found.hexdigest()

    def _quarters(self) -> Sequence[NDArray[np.uint8]]:
        rows = np.array_split(self.frames[0], 2, axis=0)
        return [half for row in rows for half in np.array_split(row, 2, axis=1)]


async def read(pool: DecodePool, path: Path, sampling: Sampling | None = None) -> Answer | SsuError:
    """Return what a pool of decoding processes makes of a file, or the error it answers."""
    try:
        with path.open("rb") as file:
            async with pool.decode(file.fileno(), sampling or Sampling(fps=SAMPLED)) as decoding:
                chunks = [chunk async for chunk in _all(decoding.chunks())]
            return _answer(decoding.info, decoding.duration or 0.0, decoding.warnings, chunks)
    except SsuError as error:
        return error


async def _all(chunks: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    async for chunk in chunks:
        yield chunk


def _answer(
    info: ClipInfo, duration: float, warnings: tuple[ClipWarning, ...], chunks: Sequence[Chunk]
) -> Answer:
    times = np.concatenate([chunk.times for chunk in chunks])
    seconds = np.concatenate([chunk.waveform for chunk in chunks])
    starts = np.rint((times - times[0]) * SAMPLE_RATE).astype(int)
    waveform = np.zeros(starts[-1] + SAMPLE_RATE, np.float32)
    for start, second in zip(starts, seconds, strict=True):
        waveform[start : start + SAMPLE_RATE] = second
    frames = np.concatenate([chunk.frames for chunk in chunks])
    return Answer(info, duration, warnings, times, frames, waveform)
