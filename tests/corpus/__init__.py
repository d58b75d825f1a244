"""Odd clips and what has to be answered to each: made on the spot by PyAV, small, always the same.

`inputs()` gives them to whoever wants bytes, such as a program that damages them; `ALL` has the
answers too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tests.corpus import containers, pictures, refusals, sounds, times, tracks
from tests.corpus.entry import Input, Refused, Shown

__all__ = ["ALL", "Input", "Refused", "Shown", "inputs"]

ALL: tuple[Input, ...] = (
    *containers.INPUTS,
    *pictures.INPUTS,
    *sounds.INPUTS,
    *times.INPUTS,
    *tracks.INPUTS,
    *refusals.INPUTS,
)
"""Every input."""


def inputs() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Yield the name of every input, which is unique, and what writes it to a path."""
    for one in ALL:
        yield one.title, one.make
