"""Progress output: a bar on a terminal, occasional lines in a file."""

from __future__ import annotations

import math
import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

LINE_SECONDS = 30.0
"""Interval between lines if there is no terminal."""


BAR_WIDTH = 16

LEFT_OF_LOSSES = BAR_WIDTH + 34
"""Columns of bar, steps and both times, at up to seven digits; losses are cut to the rest."""


class Progress:
    """Steps done, losses (smoothed) and time left."""

    def __init__(
        self, total: int, done: int = 0, *, shown: bool = True, console: Console | None = None
    ) -> None:
        self._console = console or Console()
        self._shown = shown
        self._total, self._first = total, done
        self._began = time.monotonic()
        self._said = -math.inf
        self._smooth: dict[str, float] = {}
        self._bar = Bar(
            BarColumn(BAR_WIDTH), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}", markup=False),
            console=self._console, disable=not (shown and self._console.is_terminal),
        )  # fmt: skip
        self._task = self._bar.add_task("training", total=total, completed=done, losses="")

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def advance(self, done: int, losses: dict[str, float]) -> None:
        """Show that `done` steps are done."""
        for name, value in losses.items():
            self._smooth[name] = 0.95 * self._smooth.get(name, value) + 0.05 * value
        text = " ".join(f"{name} {value:.3f}" for name, value in self._smooth.items())
        room = max(self._console.width - LEFT_OF_LOSSES, 0)
        self._bar.update(self._task, completed=done, losses=text[:room])
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said > LINE_SECONDS:
            self._said = now
            pace = (now - self._began) / max(done - self._first, 1)
            left = pace * (self._total - done) / 60
            self.say(f"{done}/{self._total} {pace:.2f} s/step, {left:.0f} min left | {text}")

    def say(self, line: str) -> None:
        """Write a line that stays."""
        if self._shown:
            self._bar.console.print(line, highlight=False, soft_wrap=True, markup=False)
