"""A film with another sound, to see whether the model listens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ssuformer.clip import Chunk, ClipInfo, ClipWarning
from ssuformer.contract import SAMPLE_RATE


class Decoded(Protocol):
    """A clip that is decoded while it is understood."""

    info: ClipInfo

    @property
    def duration(self) -> float | None:
        """Seconds, once they are known."""
        ...

    @property
    def warnings(self) -> tuple[ClipWarning, ...]:
        """The warnings about the clip, once it has ended."""
        ...

    def chunks(self) -> AsyncIterator[Chunk]:
        """Yield the chunks of the clip."""
        ...


class Dubbed:
    """The pictures of one clip with the sound of another, mono at 16 kHz; then silence."""

    def __init__(self, film: Decoded, sound: NDArray[np.float32]) -> None:
        self._film = film
        self._sound = sound
        self.info = film.info

    @property
    def duration(self) -> float | None:
        """Seconds of the film."""
        return self._film.duration

    @property
    def warnings(self) -> tuple[ClipWarning, ...]:
        """The warnings about the film."""
        return self._film.warnings

    async def chunks(self) -> AsyncIterator[Chunk]:
        """Yield the chunks of the film, with the second of the other sound around each frame."""
        async for chunk in self._film.chunks():
            heard = np.stack([self._around(time) for time in chunk.times.tolist()])
            yield replace(chunk, waveform=heard)

    def _around(self, time: float) -> NDArray[np.float32]:
        begin = round((time - 0.5) * SAMPLE_RATE)
        second = np.zeros(SAMPLE_RATE, np.float32)
        first, last = max(0, begin), min(len(self._sound), begin + SAMPLE_RATE)
        if last > first:
            second[first - begin : last - begin] = self._sound[first:last]
        return second
