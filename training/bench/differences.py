"""Which differences are larger than the spread over seeds, in words and as CSV."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from training.bench.tables import Column, Rows

FACTOR = 2.0
"""A difference is real if it is more than so many of its standard errors."""


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much the mean of a score is above that of the whole."""

    by: float
    limit: float | None
    """What it has to exceed to be real; None if one run of each cannot tell."""

    @property
    def real(self) -> bool | None:
        """Return whether the difference is larger than the spread; None if that is not known."""
        return None if self.limit is None else abs(self.by) > self.limit

    def words(self, column: Column) -> str:
        """Return the difference in words: `J +1.2: real (limit 0.9)`."""
        shown = f"{column.heading} {self.by * column.times:+.{column.digits}f}"
        if self.limit is None:
            return f"{shown}: cannot be told from one seed"
        limit = f"(limit {self.limit * column.times:.{column.digits}f})"
        return f"{shown}: {'real' if self.real else 'not larger than the spread'} {limit}"


def difference(values: Sequence[float], whole: Sequence[float]) -> Difference | None:
    """Return the difference of two sets of runs; None if one is empty.

    The limit is `2 s sqrt(1/n + 1/m)` with the pooled standard deviation s of n and m runs.
    """
    if not values or not whole:
        return None
    n, m = len(values), len(whole)
    by = statistics.fmean(values) - statistics.fmean(whole)
    if n + m < 3:
        return Difference(by, None)
    squares = sum(statistics.variance(v) * (len(v) - 1) for v in (values, whole) if len(v) > 1)
    return Difference(by, FACTOR * math.sqrt(squares / (n + m - 2)) * math.sqrt(1 / n + 1 / m))


def in_words(rows: Rows, whole: str, columns: Sequence[Column]) -> dict[str, str]:
    """Return for each row how it differs from the whole in these columns."""
    said = {}
    for row, scores in rows.items():
        pairs = (
            (c, difference(scores.get(c.name, ()), rows[whole].get(c.name, ()))) for c in columns
        )
        told = "; ".join(found.words(column) for column, found in pairs if found)
        said[row] = "the whole" if row == whole else told or "nothing to compare"
    return said


def as_csv(rows: Rows, whole: str) -> str:
    """Return a line for each score of each row but the whole: row, score, by, limit, real."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("row", "score", "by", "limit", "real"))
    for row, scores in rows.items():
        for name, values in scores.items():
            found = difference(values, rows[whole].get(name, ()))
            if row != whole and found:
                real = "" if found.real is None else str(found.real).lower()
                writer.writerow(
                    (row, name, found.by, "" if found.limit is None else found.limit, real)
                )
    return text.getvalue()
