"""Evaluation gives a model the sound it says it gives, and the scores that follow."""

from __future__ import annotations

from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest

from ssuformer.manifest import Thresholds
from ssuformer.model.config import Family
from ssuformer.regions import Float, Segmentation
from ssuformer.tokenizer import Tokenizer
from tests.ssuformer.model.small_model import small_model
from training.evaluation import cost, quick_j, score
from training.packs import procedural
from training.predictor import Predictor, TorchPredictor
from training.scenes.composer import Composer
from training.scenes.grammar import Grammar, sentences_of_grammar

PACK = procedural.pack()
CATEGORIES = tuple(category.name for category in PACK.categories)
GRAMMAR = Grammar(PACK.categories)
TOKENIZER = Tokenizer.learn(sentences_of_grammar(PACK.categories))


def scenes(seconds: int = 2) -> Composer:
    return Composer(PACK, "test", size=64, seconds=seconds)


class Oracle(Predictor):
    """Knows the truth of the scenes it is shown, as long as it hears their sound."""

    def __init__(self) -> None:
        super().__init__(categories=CATEGORIES, tokenizer=TOKENIZER, thresholds=Thresholds())
        self._known = {scene.frames.tobytes(): scene for scene in map(scenes().compose, range(12))}
        self.heard: list[npt.NDArray[np.float32]] = []

    def segment(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> list[Segmentation]:
        self.heard.append(waveform)
        return [self._answer(*clip) for clip in zip(frames, waveform, strict=True)]

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:
        return np.zeros((len(regions[0]), 4), np.int64)

    def _answer(
        self, frames: npt.NDArray[np.uint8], waveform: npt.NDArray[np.float32]
    ) -> Segmentation:
        scene = self._known[frames.tobytes()]
        t = len(frames)
        masks = np.zeros((t, 4, 64, 64), np.float32)
        sounding = np.zeros((t, 4), np.float32)
        logits = np.zeros((t, 4, len(CATEGORIES)), np.float32)
        listened = np.array_equal(scene.waveform, waveform)
        for query, source in enumerate(scene.sources):
            masks[:, query] = source.masks
            sounding[:, query] = source.sounding * (0.6 if listened else 0.0)
            logits[:, query, CATEGORIES.index(source.category)] = 1.0
        prompts = np.zeros((t, 32), np.float32)
        return Segmentation(
            masks, sounding, logits, np.zeros((t, 4, 5, 32), np.float32), prompts, prompts
        )


def test_one_who_knows_the_truth_has_full_marks_and_none_under_the_controls() -> None:
    oracle = Oracle()

    true, shuffled, silent = (
        score(oracle, scenes(), 10, GRAMMAR, control=control)
        for control in ("", "shuffled", "silent")
    )

    assert true["j"] == pytest.approx(1.0)
    assert true["false_alarm_area"] == 0.0
    assert true["category_accuracy"] == 1.0
    assert true["scenes"] == 10
    assert shuffled["j"] == silent["j"] == 0.0


def test_shuffled_sound_is_another_scenes_and_silent_sound_is_none() -> None:
    oracle = Oracle()
    compose = scenes().compose

    score(oracle, scenes(), 3, GRAMMAR, control="shuffled")
    score(oracle, scenes(), 3, GRAMMAR, control="silent")

    assert np.array_equal(oracle.heard[0], np.stack([compose(i).waveform for i in (2, 0, 1)]))
    assert not oracle.heard[1].any()


def test_no_scene_keeps_its_own_sound_when_one_is_left_for_the_last_group() -> None:
    oracle = Oracle()

    shuffled = score(oracle, scenes(), 9, GRAMMAR, control="shuffled")

    assert len(oracle.heard[-1]) == 1
    assert shuffled["j"] == 0.0


def test_quick_j_is_the_j_of_the_whole_report() -> None:
    oracle = Oracle()

    assert quick_j(oracle, scenes(), 5) == pytest.approx(score(oracle, scenes(), 5, GRAMMAR)["j"])


def test_an_untrained_model_is_scored_without_an_error() -> None:
    model = small_model(vocabulary=len(TOKENIZER.vocabulary), categories=len(CATEGORIES))
    predictor = TorchPredictor(
        model, categories=CATEGORIES, tokenizer=TOKENIZER, thresholds=Thresholds(sounding=0.3)
    )

    scores = score(predictor, scenes(), 2, GRAMMAR)

    assert 0.0 <= scores["j"] < 0.5
    assert cost(predictor, frames=2)["gflops_per_frame"] > 0.01


@pytest.mark.parametrize("family", get_args(Family))
def test_the_operations_of_every_family_are_counted(family: Family) -> None:
    model = small_model(family=family, categories=len(CATEGORIES))
    predictor = TorchPredictor(
        model, categories=CATEGORIES, tokenizer=TOKENIZER, thresholds=Thresholds()
    )

    found = cost(predictor, frames=1)

    assert found["gflops_per_frame"] > 0.001
    assert all(weight.requires_grad for weight in model.parameters())
