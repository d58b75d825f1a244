"""Composed scenes per second on one core, which must not limit training.

python -m benchmarks.composer --pack debian
"""

from __future__ import annotations

import time
from itertools import count
from typing import Annotated

import typer

from benchmarks.timing import measure, report
from training.experiment import open_pack
from training.scenes.composer import Composer


def main(
    pack: Annotated[str, typer.Option(help="A pack's folder or name.")] = "debian",
    seconds: int = 4,
    scenes: int = 100,
) -> None:
    """Time scenes at both picture sizes used in training, after the assets were loaded once."""
    opened = open_pack(pack)
    composers = {size: Composer(opened, "train", size=size, seconds=seconds) for size in (128, 224)}
    began = time.perf_counter()
    for index in range(scenes):
        composers[128].compose(10_000 + index)
    cold = scenes / (time.perf_counter() - began)
    numbers = count()
    timings = measure(
        {f"{size} px": lambda c=c: c.compose(next(numbers)) for size, c in composers.items()},  # type: ignore[misc]
        runs=scenes,
    )
    rates = {t.name: round(1e3 / t.p50, 1) for t in timings}
    report("one composed scene", timings, scenes_per_second=rates, while_reading=round(cold, 1))


if __name__ == "__main__":
    typer.run(main)
