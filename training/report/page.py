"""The page: everything about the runs, laid out by `page.html.jinja`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from training.report.shown import ShownScene

TEMPLATE = "page.html.jinja"


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: headings and cells, the first of each row its name."""

    title: str
    headings: Sequence[str]
    lines: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class ExamPart:
    """What the page tells of one exam. Pictures are addresses that hold them."""

    title: str
    score: str
    """What the score of a frame is called."""
    scenes: int
    grid: Grid
    """Every score of every run under every sound."""
    factors: Mapping[str, str]
    """Title -> picture."""
    confusion: Mapping[str, str]
    """Run -> picture."""
    routes: Mapping[str, str | None]
    """Run -> picture; None for a model without experts, or one that said nothing."""
    worst: Sequence[ShownScene]
    best: Sequence[ShownScene]


@dataclass(frozen=True, slots=True)
class Page:
    """All that the page tells."""

    title: str
    runs: Grid
    colours: Mapping[str, str]
    """Run -> its colour in charts."""
    curves: Mapping[str, str]
    """Name -> picture; none if no run has learning curves."""
    without_experts: Sequence[str]
    """Runs whose models have no MoHE."""
    scores: Grid
    exams: Sequence[ExamPart]

    def html(self) -> str:
        """Return the page, which needs no other file; all texts in it are escaped."""
        environment = Environment(
            loader=FileSystemLoader(Path(__file__).parent), autoescape=True,
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        return environment.get_template(TEMPLATE).render(page=self)
