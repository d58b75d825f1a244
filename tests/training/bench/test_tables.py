"""Tables are read back by programs, and say no spread where there is one seed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from training.bench.tables import Column, Table, quality_columns

TABLE = Table(
    "Two rows.",
    [
        Column("j", "J, 100 %", 100),
        Column("f", "never measured"),
        Column("parameters", "M parameters", 1e-6),
    ],
    {"catr": {"j": [0.5, 0.7], "parameters": [2e6]}, "tpavi": {"j": []}},
    {"published": {"tpavi": "78.7 (a source)"}},
)


def test_every_form_holds_the_means_and_spreads(tmp_path: Path) -> None:
    TABLE.write(tmp_path)

    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [(row["row"], row["score"], row["seeds"]) for row in rows] == [
        ("catr", "j", "2"), ("catr", "parameters", "1"),
    ]  # fmt: skip
    assert float(rows[0]["mean"]) == pytest.approx(0.6)
    assert float(rows[0]["spread"]) == pytest.approx(0.1414, abs=1e-4)
    assert rows[1]["spread"] == ""
    assert json.loads((tmp_path / "table.json").read_text())["rows"]["catr"]["j"] == [0.5, 0.7]
    assert TABLE.headings() == ["", "J, 100 %", "M parameters", "published"]
    assert "| catr | 60.0 ± 14.1 | 2.0 |  |" in (tmp_path / "table.md").read_text()
    assert "| tpavi |  |  | 78.7 (a source) |" in (tmp_path / "table.md").read_text()


def test_latex_has_as_many_cells_in_each_line_and_escapes_its_letters(tmp_path: Path) -> None:
    TABLE.write(tmp_path)

    lines = (tmp_path / "table.tex").read_text().splitlines()
    cells = [line for line in lines if line.endswith(r"\\")]
    assert len(cells) == 3
    assert {line.count(" & ") for line in cells} == {3}
    assert r"100 \%" in cells[0]
    assert r"60.0 $\pm$ 14.1" in cells[1]


def test_several_folders_are_told_apart_and_one_is_films() -> None:
    exams = ["data:clips/a", "data:clips_a:val", "test"]

    headings = [column.heading for column in quality_columns(exams, {})]

    assert len(set(headings)) == len(headings)
    assert headings[0] == "clips/a J"
    assert "clips_a:val J, other sound" in headings
    assert quality_columns(exams[1:], {})[0].heading == "films J"


def test_any_name_keeps_its_cell() -> None:
    name = r"a|b ~^\{$}#_&%"
    table = Table("One row.", [Column("j", name)], {"catr": {"j": [1.0, 3.0]}}, {})

    head, _, row = table.markdown().splitlines()[2:]
    assert head.replace(r"\|", "").count("|") == row.count("|") == 3
    escaped = r"a|b \textasciitilde{}\textasciicircum{}\textbackslash{}\{\$\}\#\_\&\%"
    assert f" & {escaped} \\\\" in table.latex()
    assert r"catr & 2.0 $\pm$ 1.4 \\" in table.latex()
