"""Thresholds are chosen where a model is right: its regions, its names, what it hears."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ssuformer.contract import SAMPLE_RATE
from ssuformer.manifest import Thresholds
from ssuformer.regions import Float, Segmentation
from ssuformer.tokenizer import Tokenizer
from training.calibration import find_thresholds
from training.predictor import Predictor
from training.scene import Scene, Source, Unseen

CATEGORIES = ("dog", "drum")
SIDE = 16
LEFT = np.arange(SIDE) < SIDE // 2
UNNAMED_SHARE = 0.62
"""How sure the scripted model is of the wrong name it gives every second scene."""


class Scenes:
    """A dog on the left in scenes of even numbers; something unknown there in the others."""

    def compose(self, index: int) -> Scene:
        masks = np.broadcast_to(LEFT, (1, SIDE, SIDE)).copy()
        name = "something" if index % 2 else "dog"
        return Scene(
            frames=np.full((1, SIDE, SIDE, 3), index, np.uint8),
            waveform=np.zeros((1, SAMPLE_RATE), np.float32),
            sources=(Source(name, masks, np.ones(1, bool), ("",)),),
            unseen=(Unseen("drum", np.ones(1, bool)),),
        )


class Scripted(Predictor):
    """Finds the left half with a score of 0.6, a query that finds all with 0.4, names both dog."""

    def __init__(self, *, hears: bool = True) -> None:
        tokenizer = Tokenizer.learn(["a dog barks"])
        super().__init__(categories=CATEGORIES, tokenizer=tokenizer, thresholds=Thresholds())
        self._hears = hears

    def segment(
        self,
        frames: npt.NDArray[np.uint8],
        waveform: npt.NDArray[np.float32],  # noqa: ARG002
    ) -> list[Segmentation]:
        return [self._answer(unknown=bool(clip.flat[0] % 2)) for clip in frames]

    def caption(self, regions: tuple[Float, Float, Float]) -> npt.NDArray[np.int64]:  # noqa: ARG002
        raise AssertionError("thresholds do not need captions")

    def _answer(self, *, unknown: bool) -> Segmentation:
        masks = np.stack([np.where(LEFT, 0.7, 0.45), np.ones(SIDE)])[None, :, None, :]
        share = UNNAMED_SHARE if unknown else 0.9
        logits = np.log([share, 1 - share])
        nothing = np.zeros((1, 1), np.float32)
        return Segmentation(
            mask_probability=np.broadcast_to(masks, (1, 2, SIDE, SIDE)).astype(np.float32),
            sounding_probability=np.array([[0.6, 0.4]], np.float32),
            category_logits=np.broadcast_to(logits, (1, 2, 2)).astype(np.float32),
            region_tokens=np.zeros((1, 2, 1, 1), np.float32),
            scene_prompt=nothing,
            source_prompt=nothing,
            heard_probability=np.array([[0.3 if unknown else 0.5, 0.7]], np.float32)
            if self._hears
            else None,
        )


def test_regions_are_shown_between_the_scores_of_right_and_wrong_ones() -> None:
    chosen = find_thresholds(Scripted(), Scenes(), 10, CATEGORIES)

    assert 0.4 < chosen.sounding <= 0.6
    assert 0.45 <= chosen.mask < 0.7


def test_a_region_is_named_from_the_sureness_on_at_which_names_are_right() -> None:
    chosen = find_thresholds(Scripted(), Scenes(), 10, CATEGORIES)

    assert UNNAMED_SHARE < chosen.category <= 0.9


def test_a_category_is_heard_between_the_probabilities_of_what_sounds_and_what_does_not() -> None:
    chosen = find_thresholds(Scripted(), Scenes(), 10, CATEGORIES)

    assert 0.3 < chosen.heard <= 0.5


def test_what_nobody_hears_has_the_threshold_it_had() -> None:
    chosen = find_thresholds(Scripted(hears=False), Scenes(), 10, CATEGORIES)

    assert chosen.heard == Thresholds().heard
