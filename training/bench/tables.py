"""A table of means and spreads, written as Markdown, CSV, LaTeX and JSON."""

from __future__ import annotations

import csv
import io
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.evaluation import CONTROLS


@dataclass(frozen=True, slots=True)
class Column:
    """A score: its name, its heading, and by how much its values are multiplied when shown."""

    name: str
    heading: str
    times: float = 1.0
    digits: int = 1


Rows = Mapping[str, Mapping[str, Sequence[float]]]
"""Row -> score -> its values, one per seed. A score is called `<exam> <sound> <name>`."""


def lead(exam: str, rows: Rows) -> tuple[str, str]:
    """Return the first score on an exam, and how it is called: of films with boxes, or J."""
    boxes = any(f"{exam} own located" in scores for scores in rows.values())
    return ("located", "located") if boxes else ("j", "J")


def short(exam: str, exams: Sequence[str]) -> str:
    """Return the name of an exam in headings: `films`, or which of several folders."""
    if not exam.startswith("data:"):
        return exam
    several = sum(name.startswith("data:") for name in exams) > 1
    return exam.removeprefix("data:") if several else "films"


def quality_columns(exams: Sequence[str], rows: Rows) -> list[Column]:
    """Return the columns of quality on each exam, the lead score under every sound first."""
    columns = []
    for name in exams:
        (score, shown), exam = lead(name, rows), short(name, exams)
        for control, sound in zip(CONTROLS, ("", ", other sound", ", no sound"), strict=True):
            key = f"{name} {control or 'own'} {score}"
            columns.append(Column(key, f"{exam} {shown}{sound}", 100))
        if score == "located":
            key = f"{name} own silent_with_region"
            columns.append(Column(key, f"{exam} silent with region", 100))
        else:
            columns.append(Column(f"{name} own f", f"{exam} F", 100))
            columns.append(Column(f"{name} own j_avsbench", f"{exam} J (avsbench)", 100))
            columns.append(Column(f"{name} own f_avsbench", f"{exam} F (avsbench)", 100))
            columns.append(Column(f"{name} own false_alarm_area", f"{exam} false alarms", 100, 2))
    return columns


@dataclass(frozen=True, slots=True)
class Table:
    """For each row the values of each column, one per seed; what was not measured has none.

    Columns without any value are not shown.
    """

    title: str
    columns: Sequence[Column]
    rows: Rows
    texts: Mapping[str, Mapping[str, str]]
    """Heading -> row -> a text, such as published numbers with their source."""

    def shown(self) -> list[Column]:
        """Return the columns that have a value in some row."""
        return [c for c in self.columns if any(scores.get(c.name) for scores in self.rows.values())]

    def write(self, folder: Path) -> None:
        """Write `table.md`, `.csv`, `.tex` and `.json` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for ending, text in (
            ("md", self.markdown()), ("csv", self.csv()), ("tex", self.latex()),
            ("json", self.json()),
        ):  # fmt: skip
            (folder / f"table.{ending}").write_text(text, encoding="utf-8")

    def markdown(self) -> str:
        """Return the table in Markdown, below its title."""
        head, *body = (
            [cell.replace("|", r"\|") for cell in line] for line in [self.headings(), *self.lines()]
        )
        lines = [head, ["---"] * len(head), *body]
        return f"{self.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def latex(self) -> str:
        """Return the table as LaTeX that needs the package booktabs."""
        head, *body = (
            " & ".join(map(_escaped, line)) + r" \\" for line in [self.headings(), *self.lines()]
        )
        form = "l" + "r" * len(self.shown()) + "l" * len(self.texts)
        lines = [rf"\begin{{tabular}}{{{form}}}", r"\toprule", head, r"\midrule", *body]
        return "\n".join([f"% {self.title}", *lines, r"\bottomrule", r"\end{tabular}", ""])

    def csv(self) -> str:
        """Return a line for each measured score: row, score, mean, spread, number of seeds."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("row", "score", "mean", "spread", "seeds"))
        for row, scores in self.rows.items():
            for name, values in scores.items():
                if values:
                    mean, spread = mean_and_spread(values)
                    writer.writerow(
                        (row, name, mean, "" if spread is None else spread, len(values))
                    )
        return text.getvalue()

    def json(self) -> str:
        """Return the values of every seed, and the texts."""
        fields = {"title": self.title, "rows": self.rows, "texts": self.texts}
        return json.dumps(fields, indent=1, default=list) + "\n"

    def headings(self) -> list[str]:
        """Return the headings of all columns; that of the rows' names is empty."""
        return ["", *(column.heading for column in self.shown()), *self.texts]

    def lines(self) -> list[list[str]]:
        """Return the cells of each row, its name first."""
        return [
            [
                row,
                *(_cell(scores.get(column.name, ()), column) for column in self.shown()),
                *(texts.get(row, "") for texts in self.texts.values()),
            ]
            for row, scores in self.rows.items()
        ]


def mean_and_spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the mean, and the sample standard deviation of two values or more."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def _cell(values: Sequence[float], column: Column) -> str:
    if not values:
        return ""
    mean, spread = (
        None if value is None else f"{value * column.times:.{column.digits}f}"
        for value in mean_and_spread(values)
    )
    return str(mean) if spread is None else f"{mean} ± {spread}"


_LATEX = str.maketrans(
    {
        **{letter: f"\\{letter}" for letter in "&%#_{}$"},
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "±": r"$\pm$",
    }
)  # fmt: skip


def _escaped(text: str) -> str:
    return text.translate(_LATEX)
