"""Sums from which means are computed at the end, so that no value is a mean of means."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


def share(part: float, whole: float) -> float:
    """Return part / whole, or 0 if whole is 0; report it together with the count."""
    return part / whole if whole else 0.0


def harmonic_mean(precision: float, recall: float) -> float:
    """Return F1."""
    return share(2 * precision * recall, precision + recall)


@dataclass(slots=True)
class Mean:
    """A running mean: sum and count."""

    total: float = 0.0
    count: int = 0

    def add(self, values: npt.ArrayLike) -> None:
        """Add one value or an array of them."""
        array = np.asarray(values, dtype=np.float64)
        self.total += float(array.sum())
        self.count += array.size

    @property
    def value(self) -> float:
        """Return the mean of all values so far; 0 if there are none."""
        return share(self.total, self.count)
