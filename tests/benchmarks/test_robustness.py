"""Robustness is measured on what is answered, film by film and second by second."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console
from typer.testing import CliRunner

from benchmarks import robustness
from benchmarks.answers import Answer, Film, Subject, common, open_subject, read_films
from benchmarks.onnx_predictor import OnnxPredictor
from benchmarks.robustness import GAINS_DB, SNRS_DB, Report, draw, investigate, print_report
from ssuformer.clip import Chunk
from ssuformer.contract import SAMPLE_RATE
from ssuformer.errors import ConfigError, SsuError
from ssuformer.manifest import Thresholds
from ssuformer.regions import Float, Segmentation
from ssuformer.tokenizer import Tokenizer
from training.metrics.regions import PredictedRegion
from training.predictor import Predictor, TorchPredictor

CATEGORIES = ("bell", "engine")
WINDOW = 4


class Ear(Predictor):
    """Shows a bell in every second that is loud enough, an engine if it is mostly low."""

    def __init__(self) -> None:
        super().__init__(
            categories=CATEGORIES, tokenizer=Tokenizer.learn(["a bell"]), thresholds=Thresholds()
        )
        self.lengths: list[int] = []

    def segment(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> list[Segmentation]:
        t = frames.shape[1]
        self.lengths.append(t)
        masks = np.zeros((t, 1, 8, 8), np.float32)
        masks[..., :4] = 1.0
        loud = np.sqrt(np.square(waveform[0]).mean(axis=1, keepdims=True)) > 0.02
        low = np.abs(np.diff(waveform[0])).mean() < 0.1 * np.abs(waveform[0]).mean()
        logits = np.zeros((t, 1, 2), np.float32)
        logits[..., int(low)] = 1.0
        tokens = np.zeros((t, 1, 2, 4), np.float32)
        prompts = np.zeros((t, 4), np.float32)
        return [Segmentation(masks, loud.astype(np.float32), logits, tokens, prompts, prompts)]

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        raise AssertionError(f"robustness needs no sentence of {len(regions)} inputs")


def film(seconds: int, level: float = 0.1) -> Film:
    time = np.arange(seconds * SAMPLE_RATE) / SAMPLE_RATE
    tone = (level * np.sqrt(2) * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    frames = np.zeros((seconds, 224, 224, 3), np.uint8)
    chunk = Chunk(frames, tone.reshape(seconds, -1), np.arange(0.5, seconds))
    return Film("tone.mp4", chunk)


def subject() -> Subject:
    return Subject("ear", Ear(), WINDOW)


def region(left: int, category: str = "bell") -> PredictedRegion:
    mask = np.zeros((10, 10), np.bool_)
    mask[:, left : left + 4] = True
    return PredictedRegion(mask, 0.9, category)


@pytest.fixture(scope="module")
def report() -> Report:
    return investigate(subject(), [film(3), film(2)])


@pytest.mark.parametrize(
    ("other", "share"),
    [
        ([[region(0)], []], 1.0),
        ([[region(1)], []], 1.0),
        ([[region(3)], []], 0.0),
        ([[region(0, "engine")], []], 0.0),
        ([[region(0), region(6)], []], 2 / 3),
        ([[region(0)], [region(0)]], 0.5),
        ([[], []], 0.0),
    ],
)
def test_regions_are_in_common_if_name_and_place_agree(other: Answer, share: float) -> None:
    assert common([[region(0)], []], other) == pytest.approx(share)


def test_answers_without_regions_have_nothing_to_compare() -> None:
    assert common([[], []], [[], []]) is None


@pytest.mark.parametrize("seconds", [1, 4, 5, 11])
def test_a_long_film_is_answered_in_windows_once_for_every_second(seconds: int) -> None:
    asked = subject()

    answer = asked.answer(film(seconds), film(seconds).samples)

    assert [len(regions) for regions in answer] == [1] * seconds
    assert isinstance(asked.predictor, Ear)
    assert max(asked.predictor.lengths) == min(seconds, WINDOW)


def test_an_answer_holds_down_to_the_gain_at_which_nothing_is_heard(report: Report) -> None:
    assert [held.db for held in report.gains] == list(GAINS_DB)
    for held in report.gains:
        heard = 1.0 if held.db > -14 else 0.0
        assert (held.common, held.answered) == (heard, heard)


def test_noise_of_every_colour_is_added_at_every_ratio(report: Report) -> None:
    assert set(report.noises) == {"white", "pink", "brown"}
    for row in report.noises.values():
        assert [held.db for held in row] == list(SNRS_DB)
        assert row[0].common == 1.0


def test_what_is_answered_to_meaningless_sounds_is_counted_by_name(report: Report) -> None:
    found = {imagined.sound: imagined for imagined in report.imagined}

    assert found["silence"].answered == 0.0
    assert found["silence"].named == {}
    assert found["50 Hz hum, 0.1"].answered == 1.0
    assert found["50 Hz hum, 0.1"].named == {"engine": 5}
    assert found["white noise, 0.1"].named == {"bell": 5}


def test_the_tables_fit_into_80_columns(report: Report) -> None:
    text = StringIO()

    print_report(report, Console(file=text, width=200))

    lines = text.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= 80
    assert any("engine 5" in line for line in lines)
    assert "\u2026" not in text.getvalue()


def test_the_curves_are_drawn(report: Report, tmp_path: Path) -> None:
    draw(report, tmp_path / "curve.png")

    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robustness, "open_subject", lambda *_, **__: subject())
    monkeypatch.setattr(robustness, "read_films", lambda _: [film(1)])

    ran = CliRunner().invoke(robustness.app, ["anything", "--json"])

    assert ran.exit_code == 0
    answer = json.loads(ran.stdout)
    assert answer["levels_db"] == {"tone.mp4": pytest.approx(-20, abs=0.1)}
    assert len(answer["gains"]) == len(GAINS_DB)


def test_repositories_and_checkpoints_are_told_apart() -> None:
    engines = open_subject(Path("triton_repo"))
    weights = open_subject(Path("training/checkpoints/small"))

    assert isinstance(engines.predictor, OnnxPredictor)
    assert isinstance(weights.predictor, TorchPredictor)
    assert engines.window_frames == weights.window_frames == 10


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SsuError):
        open_subject(tmp_path)


def test_all_clips_of_a_folder_are_read(tmp_path: Path) -> None:
    shutil.copy("samples/music-solo.mp4", tmp_path / "a.mp4")
    (tmp_path / "notes.txt").write_text("no clip")

    (read,) = read_films([tmp_path])

    assert read.name == "a.mp4"
    assert read.chunk.frames.shape == (5, 224, 224, 3)
    assert len(read.samples) == 5 * SAMPLE_RATE


def test_a_folder_without_clips_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no clip"):
        read_films([tmp_path])
