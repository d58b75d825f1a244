"""Filmed clips get the scores that their truth allows, beside the controls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from typer.testing import CliRunner

from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest, Thresholds
from ssuformer.regions import Float, Segmentation
from ssuformer.tokenizer import Tokenizer
from tests.training.data.small_data import (
    boxes,
    dog,
    one_clip,
    second,
    write_boxes,
    write_film,
    write_layout,
    write_ms3,
    write_s4,
)
from tests.training.small_pack import SmallPack
from training.__main__ import app
from training.data.kinds import open_films
from training.evaluation import score
from training.experiment import DataSource, Experiment, open_filmed
from training.fit import fit, start
from training.predictor import Predictor
from training.scenes.grammar import Grammar
from training.task import Task

CATEGORIES = ("dog", "banjo")
GRAMMAR = Grammar(SmallPack().categories)
runner = CliRunner()


class LeftIfLoud(Predictor):
    """Shows a dog on the left in every second that is loud; remembers what it heard."""

    def __init__(self, category: str = "dog") -> None:
        super().__init__(
            categories=CATEGORIES, tokenizer=Tokenizer.learn([]), thresholds=Thresholds()
        )
        self._category = CATEGORIES.index(category)
        self.heard: list[npt.NDArray[np.float32]] = []

    def segment(
        self,
        frames: npt.NDArray[np.uint8],  # noqa: ARG002
        waveform: npt.NDArray[np.float32],
    ) -> list[Segmentation]:
        self.heard += list(waveform)
        return [self._answer(clip) for clip in waveform]

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        return np.zeros((len(regions[0]), 4), np.int64)

    def _answer(self, waveform: npt.NDArray[np.float32]) -> Segmentation:
        t = len(waveform)
        masks = np.zeros((t, 1, 224, 224), np.float32)
        masks[..., :112] = 1.0
        loud = np.sqrt((waveform**2).mean(axis=1)) > 0.1
        logits = np.zeros((t, 1, len(CATEGORIES)), np.float32)
        logits[..., self._category] = 1.0
        prompts = np.zeros((t, 8), np.float32)
        tokens = np.zeros((t, 1, 5, 8), np.float32)
        sounding = loud[:, None].astype(np.float32)
        return Segmentation(masks, sounding, logits, tokens, prompts, prompts)


def scores(folder: Path, control: str = "", predictor: Predictor | None = None) -> dict[str, float]:
    films = open_films(folder)
    return score(
        predictor or LeftIfLoud(), films, len(films), GRAMMAR,
        control=control, told=films.told, categories=CATEGORIES,
    )  # fmt: skip


def test_one_who_is_right_has_full_marks_and_none_without_the_sound(tmp_path: Path) -> None:
    one_clip(tmp_path)

    true, silent = scores(tmp_path), scores(tmp_path, "silent")

    assert true["j"] == true["category_accuracy"] == true["instance_ap"] == 1.0
    assert true["false_alarm_area"] == 0.0
    assert (true["frames"], true["sounding_frames"]) == (3, 1)
    assert "fact_accuracy" in true
    assert silent["j"] == 0.0


def test_seconds_that_are_not_known_are_left_out(tmp_path: Path) -> None:
    seconds = [second(0, sounding=False), second(1, sounding=None), second(2, sounding=False)]
    one_clip(tmp_path, sources=[{"category": "dog", "seconds": seconds}])

    told = scores(tmp_path)

    assert told["frames"] == told["silent_frames"] == 2
    assert told["regions"] == 0


def test_clips_of_different_lengths_get_each_others_sound(tmp_path: Path) -> None:
    for name in "ab":
        write_film(tmp_path / f"{name}.mp4")
    short = dog(film="b.mp4", seconds=2, sources=[])
    write_layout(tmp_path, {"a.truth.json": dog(), "b.truth.json": short})
    predictor = LeftIfLoud()
    scenes = [open_films(tmp_path).compose(index) for index in (0, 1)]

    scores(tmp_path, "shuffled", predictor)

    first, other = scenes
    assert {len(scene.frames) for scene in scenes} == {2, 3}
    assert np.array_equal(predictor.heard[0], np.resize(other.waveform, first.waveform.shape))
    assert np.array_equal(predictor.heard[1], np.resize(first.waveform, other.waveform.shape))


def test_scores_of_what_the_truth_does_not_tell_are_left_out(tmp_path: Path) -> None:
    ms3, s4 = scores(write_ms3(tmp_path / "ms3")), scores(write_s4(tmp_path / "s4"))

    assert ms3["j"] == 1.0
    assert ms3["false_alarm_area"] == pytest.approx(0.5, abs=0.01)
    assert not {"category_accuracy", "instance_ap", "fact_accuracy", "bleu_4"} & ms3.keys()
    assert s4["category_accuracy"] == pytest.approx(1 / 6)
    assert "bleu_4" not in s4


def test_people_named_as_things_are_counted_wherever_categories_are_told(tmp_path: Path) -> None:
    ms3, s4 = scores(write_ms3(tmp_path / "ms3")), scores(write_s4(tmp_path / "s4"))
    man = [{"category": "man", "box": [0, 0, 32, 48], "sounding": True}]
    boxed = scores(write_boxes(tmp_path, boxes(seconds=[{"time": 1.5, "things": man}])))

    assert "people_misnamed" not in ms3
    assert s4["people_misnamed"] == boxed["people_misnamed"] == 1.0


def test_boxes_have_their_own_scores(tmp_path: Path) -> None:
    write_boxes(tmp_path)

    right, wrong = scores(tmp_path, predictor=LeftIfLoud("banjo")), scores(tmp_path)
    silent = scores(tmp_path, "silent")

    assert right["located"] == right["named_right"] == 1.0
    assert right["silent_with_region"] == 0.0
    assert (wrong["located"], wrong["named_right"]) == (1.0, 0.0)
    assert silent["located"] == 0.0
    assert "j" not in right
    assert (right["sounding_seconds"], right["silent_seconds"]) == (1, 1)


def small_experiment(*data: DataSource) -> Experiment:
    sizes = {"channels": 32, "heads": 2, "queries": 4, "caption_layers": 1, "detail_tokens": 2}
    stage = {"size": 64, "seconds": 2, "batch": 2, "steps": 2}
    return Experiment.model_validate(
        {"name": "small", "model": sizes, "stages": [stage], "workers": 0, "data": data}
    )


def test_a_model_trained_on_a_mixture_is_evaluated_by_the_command(tmp_path: Path) -> None:
    folder = one_clip(tmp_path / "films")
    experiment = small_experiment(
        DataSource(kind="composed"), DataSource(folder=str(folder), split="test", weight=2)
    )
    run = start(experiment, SmallPack(), tmp_path / "run", torch.device("cpu"))  # type: ignore[arg-type]
    fit(run)
    checkpoint = tmp_path / "run" / "checkpoint"

    done = runner.invoke(app, ["evaluate", str(checkpoint), "--data", str(folder), "--csv"])

    assert done.exit_code == 0, done.output
    assert "films: RA-SSU layout, test, 1 clips" in done.stderr
    assert "films:test,own,j," in done.stdout
    assert "films:test,silent,j," in done.stdout
    assert "shuffled" not in done.stdout
    assert "films:test" in Manifest.read(checkpoint).metrics


def test_training_scenes_come_from_every_source(tmp_path: Path) -> None:
    folder = one_clip(tmp_path / "films")
    experiment = small_experiment(
        DataSource(kind="composed"), DataSource(folder=str(folder), split="test")
    )
    run = start(experiment, SmallPack(), tmp_path / "run", torch.device("cpu"))  # type: ignore[arg-type]

    scenes = run.task.scenes(experiment.stages[0], "train")
    said = [scenes.compose(index).sources[0].sentences for index in range(12)]

    filmed = [sentences for sentences in said if "a dog barks" in sentences]
    assert 0 < len(filmed) < len(said)


def test_a_model_of_filmed_clips_alone_is_validated_on_composed_scenes(tmp_path: Path) -> None:
    folder = one_clip(tmp_path / "films")
    experiment = small_experiment(DataSource(folder=str(folder), split="test"))
    task = Task.of(experiment, SmallPack())  # type: ignore[arg-type]

    scene = task.scenes(experiment.stages[0], "val").compose(0)

    assert len(scene.frames) == 5


def test_calibration_needs_composed_scenes(tmp_path: Path) -> None:
    done = runner.invoke(app, ["evaluate", "x", "--data", str(tmp_path), "--calibrate", "9"])

    assert done.exit_code == 1
    assert "--calibrate chooses thresholds on composed scenes" in done.stderr


def test_boxes_are_not_trained_on(tmp_path: Path) -> None:
    write_boxes(tmp_path)

    with pytest.raises(ConfigError, match="for measuring, not for training"):
        open_filmed(DataSource(folder=str(tmp_path), split="all"))


@pytest.mark.parametrize("wrong", [{"kind": "filmed"}, {"kind": "composed", "folder": "x"}])
def test_composed_scenes_alone_have_no_folder(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="other data needs one"):
        DataSource.model_validate(wrong)
