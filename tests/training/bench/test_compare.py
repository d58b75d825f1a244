"""The bench goes on where it was stopped, and takes no run of another experiment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.training.bench.small_experiment import write_experiment
from training.__main__ import app
from training.packs import procedural


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packs") / "shapes"
    procedural.build(folder)
    return folder


def compared(config: Path, out: Path, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        app,
        ["compare", str(config), "--out", str(out), "--families", "catr", "--seeds", "1",
         "--splits", "test", "--scenes", "2", "--turns", "1", *(options or ("--no-export",))],
    )  # fmt: skip
    return result.exit_code, f"{result.output}{result.exception!r}"


def test_what_is_done_is_kept_and_what_is_missing_is_made(tmp_path: Path, pack: Path) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    code, text = compared(file, out)
    assert code == 0, text
    first = (out / "table.json").read_text()
    scores = out / "catr-1/scores"
    (scores / "test.silent.json").unlink()
    kept = json.loads((scores / "test.own.json").read_text())
    kept["scores"]["j"] = 0.25
    (scores / "test.own.json").write_text(json.dumps(kept))
    other = json.loads((scores / "test.shuffled.json").read_text())
    other["thresholds"]["mask"], other["scores"]["j"] = 0.9, 0.25
    (scores / "test.shuffled.json").write_text(json.dumps(other))
    weights = (out / "catr-1/checkpoint/model.safetensors").stat().st_mtime_ns

    code, text = compared(file, out)

    rows = json.loads((out / "table.json").read_text())["rows"]["catr"]
    assert code == 0
    assert rows["test own j"] == [0.25]
    assert rows["test shuffled j"] == json.loads(first)["rows"]["catr"]["test shuffled j"]
    assert rows["test silent j"] == json.loads(first)["rows"]["catr"]["test silent j"]
    assert (out / "catr-1/checkpoint/model.safetensors").stat().st_mtime_ns == weights
    assert "catr" in text


def test_a_run_of_another_experiment_is_refused(tmp_path: Path, pack: Path) -> None:
    out = tmp_path / "runs"
    code, text = compared(write_experiment(tmp_path, pack), out)
    assert code == 0, text

    code, text = compared(write_experiment(tmp_path, pack, steps=3), out)

    assert code == 1
    assert "stages" in text


def test_without_training_an_unfinished_run_is_left_out(tmp_path: Path, pack: Path) -> None:
    code, text = compared(
        write_experiment(tmp_path, pack), tmp_path / "runs", "--no-train", "--no-export"
    )

    assert code == 1
    assert "not at its end" in text


def test_several_processes_are_told_to_train_before(
    tmp_path: Path, pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")

    code, text = compared(write_experiment(tmp_path, pack), tmp_path / "runs")

    assert code == 1
    assert "for one process" in text


def test_both_engines_are_timed_and_drawn_and_an_export_is_kept(tmp_path: Path, pack: Path) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    code, text = compared(file, out, "--export")
    assert code == 0, text
    graph = out / "catr-1/exported/ssu_segmentation/1/model.onnx"
    made = graph.stat().st_mtime_ns

    code, text = compared(file, out, "--export")

    row = json.loads((out / "table.json").read_text())["rows"]["catr"]
    assert code == 0, text
    assert graph.stat().st_mtime_ns == made
    for engine in ("torch", "onnxruntime"):
        assert row[f"{engine}_fps"][0] == pytest.approx(5000 / row[f"{engine}_ms"][0])
    assert {"test own j_avsbench", "test own f_avsbench"} <= row.keys()
    with Image.open(out / "quality-speed.png") as drawn:
        assert drawn.width > 500


def test_an_export_that_fails_says_why_and_how_to_go_on(tmp_path: Path, pack: Path) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    code, text = compared(file, out)
    assert code == 0, text
    (out / "catr-1/exported").write_text("not a folder")

    code, text = compared(file, out, "--export")

    assert code == 1
    assert "cannot be exported" in text
    assert "--no-export" in text
