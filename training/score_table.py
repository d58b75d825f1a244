"""Scores as tables for each split, JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

Scores = Mapping[str, Mapping[str, float]]
"""By `split`, `split/control` or `cost`, then by name."""

TITLES = {
    "collage": "collage: scenes of a second composer, before computed pictures",
    "collage-photographs": "collage: scenes of a second composer, before photographs",
    "photographic": "photographic: film-like scenes, held-out material, test",
    "photographic-val": "photographic-val: film-like scenes, held-out material, val",
}

HEADINGS = {"": "own sound", "shuffled": "other sound", "silent": "no sound"}


def tables(scores: Scores) -> Iterator[Table]:
    """Yield a table per split: a row per score, a column per audio variant; blank if missing.

    Every table fits into 80 columns.
    """
    for split in dict.fromkeys(name.partition("/")[0] for name in scores):
        columns = [name for name in scores if name.partition("/")[0] == split]
        alone = len(columns) == 1
        table = Table(title=TITLES.get(split, split), title_justify="left")
        table.add_column("score", no_wrap=True)
        for name in columns:
            control = name.partition("/")[2]
            heading = "" if alone else HEADINGS.get(control, control)
            table.add_column(heading, justify="right", no_wrap=True)
        for row in rows(scores, columns):
            table.add_row(*row)
        yield table


def rows(scores: Scores, columns: Sequence[str]) -> Iterator[list[str]]:
    """Yield a row per score: its name, then its value in each column; blank if missing."""
    for row in dict.fromkeys(row for name in columns for row in scores[name]):
        cells = (scores[name].get(row) for name in columns)
        yield [row, *("" if cell is None else f"{cell:.4g}" for cell in cells)]


def as_csv(scores: Scores) -> str:
    """Return a line for each measured score: split, sound, score, value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("split", "sound", "score", "value"))
    for name, values in scores.items():
        split, _, control = name.partition("/")
        writer.writerows((split, control or "own", row, value) for row, value in values.items())
    return text.getvalue()
