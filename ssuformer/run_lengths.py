"""Masks from their run-lengths, with nothing but numpy: clients read them, too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def mask_of_runs(runs: Sequence[int], size: Sequence[int]) -> Mask:
    """Return the mask of height and width `size` with these runs down its columns."""
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return inside.reshape(size, order="F")


def read_runs(counts: bytes) -> list[int]:
    """Undo COCO's packing: signed base-32 numbers, differences to the run two places before."""
    runs: list[int] = []
    value = shift = 0
    for digit in (character - 48 for character in counts):
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs
