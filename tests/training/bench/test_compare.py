"""The bench goes on where it was stopped, and takes no run of another experiment."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from ssuformer.errors import OptionError
from ssuformer.manifest import Manifest
from tests.training.bench.small_experiment import write_experiment
from tests.training.data.small_data import dog, one_clip, write_layout
from training.__main__ import app
from training.bench.options import exam_names, parse_seeds
from training.data.layout import ListedClip
from training.packs import procedural

TRAIN_AND_VAL = [ListedClip(truth="a.truth.json", split=split) for split in ("train", "val")]


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


def test_a_seed_counts_once_and_a_high_one_is_refused() -> None:
    assert parse_seeds("2,1,01,2") == [2, 1]
    with pytest.raises(OptionError, match="4294967295"):
        parse_seeds(f"1,{2**32}")


def test_what_is_named_twice_is_evaluated_once(tmp_path: Path) -> None:
    clips = one_clip(tmp_path / "clips")

    names = exam_names([str(clips), str(clips)], "test,test")

    assert names == [f"data:{clips}", "test"]


def test_the_folders_of_clips_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = one_clip(tmp_path / "clips")

    exam_names([str(clips)], None)

    assert f"{clips}: " in (said := capsys.readouterr().err)
    assert "test, 1 clips" in said


@pytest.mark.parametrize("text", ['{"weights": "38', "[]", "3", "{}", b"\xff"])
def test_a_score_file_that_is_none_is_measured_again(
    tmp_path: Path, pack: Path, text: str | bytes
) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    code, said = compared(file, out)
    assert code == 0, said
    scores = out / "catr-1/scores/test.own.json"
    whole = scores.read_bytes()
    scores.write_bytes(text if isinstance(text, bytes) else text.encode())

    code, said = compared(file, out)

    assert code == 0, said
    assert scores.read_bytes() == whole


def test_clips_whose_truth_has_changed_are_measured_again(tmp_path: Path, pack: Path) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    first, second = one_clip(tmp_path / "a/b"), one_clip(tmp_path / "a_b")
    options = ["--data", str(first), "--data", str(second), "--no-export"]
    code, text = compared(file, out, *options)
    assert code == 0, text
    (second / "a.truth.json").write_text(json.dumps(dog(sources=[])))

    code, text = compared(file, out, *options)

    assert code == 0, text
    row = json.loads((out / "table.json").read_text())["rows"]["catr"]
    assert row[f"data:{first} own sounding_frames"] == [1.0]
    assert row[f"data:{second} own sounding_frames"] == [0.0]


def test_one_clip_has_no_other_clips_sound(tmp_path: Path, pack: Path) -> None:
    clips, out = one_clip(tmp_path / "clips"), tmp_path / "runs"

    code, text = compared(
        write_experiment(tmp_path, pack), out, "--data", str(clips), "--no-export"
    )

    assert code == 0, text
    row = json.loads((out / "table.json").read_text())["rows"]["catr"]
    assert {score.split()[1] for score in row if score.startswith("data:")} == {"own", "silent"}


def test_what_is_refused_is_refused_before_anything_is_trained(tmp_path: Path, pack: Path) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    no_films = ("--splits", "photographic", "--films", str(tmp_path / "none"), "--no-export")
    code, text = compared(file, out, *no_films)
    assert code == 1
    assert "no material" in text
    assert not out.exists()
    assert compared(file, out)[0] == 0
    manifest = Manifest.read(out / "catr-1/checkpoint")
    manifest.model_copy(update={"training": {}}).write(out / "catr-1/checkpoint")

    code, text = compared(file, out, "--seeds", "2,1", "--no-export")

    assert code == 1
    assert "tells of no experiment" in text
    assert not (out / "catr-2").exists()


def test_a_broken_clip_is_named_before_anything_is_trained(tmp_path: Path, pack: Path) -> None:
    clips, out = one_clip(tmp_path / "clips"), tmp_path / "runs"
    (film,) = clips.rglob("*.mp4")
    film.write_bytes(film.read_bytes()[:200])

    code, text = compared(
        write_experiment(tmp_path, pack), out, "--data", str(clips), "--no-export"
    )

    assert code == 1
    assert film.name in text
    assert not out.exists()


def test_scenes_of_other_categories_are_refused_before_anything_is_trained(
    tmp_path: Path, pack: Path
) -> None:
    clips, out = write_layout(tmp_path / "clips", clips=TRAIN_AND_VAL), tmp_path / "runs"
    more = f'names = "data"\ndata = [{{ folder = "{clips}" }}]'

    code, text = compared(write_experiment(tmp_path, pack, more=more), out)

    assert code == 1
    assert "has no category 'dog'" in text
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, pack: Path) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    out.write_text("no folder")

    code, text = compared(file, out)

    assert code == 1
    assert f"{out} cannot be written" in text.replace("\n", "")


def test_no_two_processes_train_one_run(tmp_path: Path, pack: Path) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    (out / "catr-1").mkdir(parents=True)
    handle = os.open(out / "catr-1", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    code, text = compared(file, out)
    os.close(handle)
    assert code == 1
    assert "another process trains" in text

    assert compared(file, out)[0] == 0


def test_the_table_says_how_many_runs_a_row_is_of(tmp_path: Path, pack: Path) -> None:
    file, out = write_experiment(tmp_path, pack), tmp_path / "runs"
    assert compared(file, out)[0] == 0
    assert "runs" not in json.loads((out / "table.json").read_text())["texts"]

    code, text = compared(file, out, "--seeds", "1,2,3", "--no-train", "--no-export")

    assert code == 0, text
    assert json.loads((out / "table.json").read_text())["texts"]["runs"] == {"catr": "1 of 3"}
