"""The notebook that trains, looks, exports and serves does all four."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ssu.test_documents import run_cell

NOTEBOOK = Path("docs/training.ipynb").resolve()


def test_it_is_kept_without_outputs() -> None:
    assert not any(cell.get("outputs") for cell in json.loads(NOTEBOOK.read_bytes())["cells"])


def test_every_cell_runs_and_shows_what_it_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path.cwd())
    cells = [
        "".join(cell["source"])
        for cell in json.loads(NOTEBOOK.read_bytes())["cells"]
        if cell["cell_type"] == "code"
    ]
    names: dict[str, Any] = {}
    first = cells[0].replace("STEPS = 300", "STEPS = 3")
    assert first != cells[0]
    run_cell(first, names)
    names["work"] = tmp_path

    shown = {cell.splitlines()[-1]: run_cell(cell, names) for cell in cells[1:]}

    frames = len(names["frames"])
    assert names["run"].step == 3
    assert shown["sheet"].size == (2 * 96, 96 * frames)
    assert len(shown["[*zip(true, said, strict=True)]"]) == frames
    assert shown["max(differences, key=lambda d: d.largest)"].largest > 0
    assert all(d.largest <= d.allowed for d in names["differences"])
    assert len(shown["answer"].frames) > 0
