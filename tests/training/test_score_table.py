"""Scores are read by people on narrow terminals, and by programs."""

from __future__ import annotations

import csv
import io

from rich.console import Console

from training.score_table import as_csv, tables

SCORES = {
    "cost": {"parameters": 5_110_000.0},
    "test": {"j": 0.738123, "fact_accuracy": 0.984, "false_alarm_area": 0.0051},
    "test/shuffled": {"j": 0.103, "false_alarm_area": 0.0207},
    "test/silent": {"j": 0.0, "false_alarm_area": 0.0},
    "test-style": {"j": 0.6},
}


def shown(width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO())
    for table in tables(SCORES):
        console.print(table)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    return [line for line in text.splitlines() if line.strip()]


def test_every_number_and_heading_is_whole_at_80_columns() -> None:
    lines = shown(80)

    text = "\n".join(lines)
    assert "\u2026" not in text
    assert all(word in text for word in ("own sound", "other sound", "no sound", "0.7381"))
    assert text == "\n".join(shown(200))


def test_what_was_not_measured_is_blank() -> None:
    (row,) = (line for line in shown(80) if "fact_accuracy" in line)

    cells = [cell.strip() for cell in row.split("\u2502")[1:-1]]
    assert cells == ["fact_accuracy", "0.984", "", ""]


def test_csv_holds_a_line_for_each_score_that_was_measured() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(SCORES))))

    assert len(rows) == 9
    assert rows[4] == {"split": "test", "sound": "shuffled", "score": "j", "value": "0.103"}


def test_the_scenes_of_the_second_composer_say_so() -> None:
    (table,) = tables({"collage-photographs": {"j": 0.517}})

    assert table.title == "collage: scenes of a second composer, before photographs"
