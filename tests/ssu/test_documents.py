"""The notebook and the page about Python do what they say."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

import ssu
from service.cli.temporary_service import hosted
from tests.service.conftest import small_settings
from tests.service.formats.made import made
from tests.ssu.jobs_server import JobsServer

NOTEBOOK = Path("docs/python.ipynb")
PAGE, README = Path("docs/python.md").read_text(), Path("README.md").read_text()


def run_cell(source: str, names: dict[str, Any]) -> Any:  # noqa: ANN401
    """Run a cell as a notebook does; return the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK.name, "exec"), names)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names)


def test_every_cell_of_the_notebook_runs_and_shows_what_it_promises() -> None:
    cells = [
        "".join(cell["source"])
        for cell in json.loads(NOTEBOOK.read_bytes())["cells"]
        if cell["cell_type"] == "code"
    ]
    names: dict[str, Any] = {}

    shown = {cell.splitlines()[-1]: run_cell(cell, names) for cell in cells}

    assert "data:image/png;base64," in shown["answer"]._repr_html_()
    assert all(0 < share < 1 for _, _, share in shown["shares"])
    assert shown['{name: len(coco[name]) for name in ("images", "annotations", "categories")}'][
        "images"
    ] == len(names["answer"].frames)
    assert shown["problem"][0] == "clip_unreadable"


def test_the_notebook_is_kept_without_outputs() -> None:
    assert not any(cell.get("outputs") for cell in json.loads(NOTEBOOK.read_bytes())["cells"])


@pytest.mark.parametrize(
    "block", re.findall(r"```python\n(.*?)```", PAGE + README, flags=re.DOTALL)
)
def test_what_the_page_shows_runs(
    block: str, tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a gateway with the fake engine; jobs are those of a made server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSU_ENGINE", "fake")
    monkeypatch.setattr("ssu.jobs._LOOK_SECONDS", 0.01)
    for name in ("film.mp4", "clip.mp4"):
        Path(name).write_bytes(clip)
    names: dict[str, Any] = {"ssu": ssu, "answer": ssu.understand("film.mp4")}
    if ".jobs." in block:
        transport = httpx.MockTransport(JobsServer(made().model_dump_json().encode()))
        with ssu.Client("http://far", transport=transport) as client:
            exec(block, names | {"client": client})
        return
    with hosted(small_settings(log_level="error")) as url, ssu.Client(url) as client:
        exec(block.replace("http://127.0.0.1:8000", url), names | {"client": client})
