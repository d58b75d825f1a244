"""`data check` names every fault with the file it is in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ssuformer.masks import encode_rle
from tests.training.data.small_data import (
    boxes,
    dog,
    one_clip,
    second,
    write_boxes,
    write_film,
    write_layout,
    write_s4,
)
from training.__main__ import app
from training.data.check import Checker
from training.data.kinds import open_films
from training.data.layout import ListedClip

runner = CliRunner()


def faults(folder: Path) -> list[str]:
    """Return the faults, with paths below the folder."""
    found = [fault for clip in Checker(open_films(folder)).faults() for fault in clip]
    return [fault.replace(f"{folder}/", "") for fault in found]


def of_dog(*seconds: dict[str, Any], category: str = "dog") -> list[dict[str, Any]]:
    return [{"category": category, "seconds": seconds}]


def test_a_sound_data_set_has_no_faults(tmp_path: Path) -> None:
    assert faults(one_clip(tmp_path)) == []


SMALL = {"size": [24, 32], "counts": encode_rle(np.ones((24, 32), bool))["counts"]}
TORN = {"size": [48, 64], "counts": "0"}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"film": "b.mp4"}, "b.mp4: No such file or directory"),
        ({"width": 32, "sources": []}, "a.mp4 is 64x48, its truth says 32x48"),
        ({"seconds": 5}, "a.mp4 has 3 seconds, its truth says 5"),
        ({"split": "train"}, "a.truth.json: split is 'train', clips.jsonl:1 says 'test'"),
        ({"unlabelled": [9]}, "a.truth.json: unlabelled: the clip has no second 9"),
        (
            {"sources": of_dog(second(3, sounding=False))},
            "a.truth.json: sources.0, second 3: the clip has 3 labelled seconds",
        ),
        (
            {"sources": of_dog(second(1, sounding=True))},
            "a.truth.json: sources.0, second 1: it sounds and has no sentence",
        ),
        (
            {"sources": of_dog(second(1, sounding=False), second(1, sounding=False))},
            "a.truth.json: sources.0, second 1 is told twice",
        ),
        (
            {"sources": of_dog({**second(1, sounding=False), "mask": SMALL})},
            "a.truth.json: sources.0, second 1: the mask is 32x24, the clip 64x48",
        ),
        (
            {"sources": of_dog({**second(1, sounding=False), "mask": TORN})},
            "a.truth.json: sources.0, second 1: the mask's run-lengths are not valid",
        ),
        (
            {"sources": of_dog(category="wolf")},
            "a.truth.json: sources.0.category: 'wolf' is not one of small",
        ),
        (
            {"unseen": [{"category": "owl", "sounding": [True, True, False]}]},
            "a.truth.json: unseen.0.category: 'owl' is not one of small",
        ),
        (
            {"unseen": [{"category": "cat", "sounding": [True]}]},
            "a.truth.json: Value error, unseen.0.sounding has 1 seconds, the clip has 3",
        ),
    ],
)
def test_a_fault_of_a_clip_is_named(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    assert faults(one_clip(tmp_path, **changes)) == [fault]


def test_a_mask_whose_file_is_missing_is_named(tmp_path: Path) -> None:
    mask = {"png": "masks/0.png", "value": 1}

    (fault,) = faults(
        one_clip(tmp_path, sources=of_dog({**second(0, sounding=False), "mask": mask}))
    )

    assert fault.startswith("masks/0.png is not a picture that can be read")


def test_a_missing_and_a_wrong_truth_file_are_named(tmp_path: Path) -> None:
    write_layout(
        tmp_path,
        {"b.truth.json": {"film": "b.mp4"}},
        [ListedClip(truth=f"{name}.truth.json", split="test") for name in "ab"],
    )

    first, other = sorted(faults(tmp_path))

    assert first == "a.truth.json: No such file or directory"
    assert other.startswith("b.truth.json: height: Field required")


@pytest.mark.parametrize(
    ("video", "audio", "fault"),
    [("libx264", None, "a.mp4 has no sound"), (None, "aac", "a.mp4: the clip has no video")],
)
def test_a_film_without_sound_or_picture_is_named(
    tmp_path: Path, video: str | None, audio: str | None, fault: str
) -> None:
    write_layout(tmp_path)
    write_film(tmp_path / "a.mp4", video=video, audio=audio)

    assert [found[: len(fault)] for found in faults(tmp_path)] == [fault]


def test_splits_that_overlap_are_named(tmp_path: Path) -> None:
    for name in "abc":
        write_film(tmp_path / f"{name}.mp4", grey=20 if name == "c" else 200)
    truths = {f"{name}.truth.json": dog(film=f"{name}.mp4") for name in "abc"}
    lines = [
        ListedClip(truth="a.truth.json", split="train", recording="x"),
        ListedClip(truth="b.truth.json", split="test"),
        ListedClip(truth="c.truth.json", split="val", recording="x"),
        ListedClip(truth="c.truth.json", split="val"),
    ]

    found = faults(write_layout(tmp_path, truths, lines))

    assert len(found) == 3
    assert any("recording 'x' is in split" in fault for fault in found)
    assert any("the same film is in split" in fault for fault in found)
    assert any(fault.endswith("c.truth.json is listed in line 3, too") for fault in found)


def test_other_data_sets_are_read_from_end_to_end(tmp_path: Path) -> None:
    write_s4(tmp_path / "s4")
    missing = tmp_path / "s4/s4_data/audio_wav/test/male_speech/test_clip_0.wav"
    missing.unlink()
    write_boxes(tmp_path / "boxes", boxes(width=48))

    assert faults(tmp_path / "s4") == [f"{missing.relative_to(tmp_path / 's4')} is missing"]
    assert faults(tmp_path / "boxes") == ["a.mp4 is 64x48, labels.json says 48x48"]


def test_the_command_prints_a_line_per_fault_and_exits_with_one(tmp_path: Path) -> None:
    good = runner.invoke(app, ["data", "check", str(one_clip(tmp_path / "good"))])
    bad = runner.invoke(app, ["data", "check", str(write_layout(tmp_path / "bad"))])
    none = runner.invoke(app, ["data", "check", str(tmp_path)])

    assert (good.exit_code, bad.exit_code, none.exit_code) == (0, 1, 1)
    assert good.stdout == ""
    assert bad.stdout == f"{tmp_path}/bad/a.mp4: No such file or directory\n"
    assert "RA-SSU layout, 1 clips: 1 faults" in bad.stderr
    assert "is no data set: it needs data.json and clips.jsonl; s4_meta_data.csv" in none.stderr


def test_help_has_examples() -> None:
    shown = runner.invoke(app, ["data", "check", "--help"])

    assert "python -m training data check samples" in shown.stdout


def test_the_samples_have_no_faults_and_their_list_is_complete() -> None:
    films = {path.stem for path in Path("samples").iterdir() if path.suffix in {".mp4", ".webm"}}

    listed = [json.loads(line) for line in Path("samples/clips.jsonl").read_text().splitlines()]

    assert faults(Path("samples")) == []
    assert {Path(line["truth"]).name.removesuffix(".truth.json") for line in listed} == films
