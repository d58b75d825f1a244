"""Split long clips into overlapping windows that an engine can process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np

from ssuformer.clip import Chunk


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive frames; those before `fresh` were already in an earlier window."""

    chunk: Chunk
    fresh: int


async def cut(
    chunks: AsyncIterator[Chunk], *, size: int, overlap: int, held: Chunk | None = None
) -> AsyncIterator[Window]:
    """Yield windows of `size` frames that share `overlap`; the last one overlaps more if needed.

    A clip shorter than `size` is one short window. At most a window and a chunk are in memory. With
    the window that is `held` from the part before, a clip goes on as if it had not been parted.
    """
    done = 0 if held is None else len(held.times)
    async for chunk in chunks:
        held = chunk if held is None else _join(held, chunk)
        while len(held.times) - done >= size - min(done, overlap):
            begin = done - min(done, overlap)
            yield Window(_part(held, begin, begin + size), fresh=done - begin)
            held = _part(held, begin, len(held.times))
            done = size
    if held is not None and len(held.times) > done:
        begin = max(0, len(held.times) - size)
        yield Window(_part(held, begin, len(held.times)), fresh=done - begin)


def _join(one: Chunk, other: Chunk) -> Chunk:
    return Chunk(
        frames=np.concatenate([one.frames, other.frames]),
        waveform=np.concatenate([one.waveform, other.waveform]),
        times=np.concatenate([one.times, other.times]),
    )


def _part(chunk: Chunk, begin: int, end: int) -> Chunk:
    return Chunk(
        frames=chunk.frames[begin:end],
        waveform=chunk.waveform[begin:end],
        times=chunk.times[begin:end],
    )
