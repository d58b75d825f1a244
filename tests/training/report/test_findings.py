"""What the page tells of frames agrees with the scores, and with what the truth tells."""

from __future__ import annotations

import numpy as np
import pytest

from ssuformer.manifest import Thresholds
from ssuformer.tokenizer import Tokenizer
from tests.ssuformer.model.small_model import small_model
from tests.training.small_pack import SmallPack
from training.evaluation import score
from training.metrics.regions import PredictedRegion
from training.predictor import TorchPredictor
from training.report.findings import (
    AT_CUT,
    NEAR_CUT,
    NO_REGION,
    NOTHING_THERE,
    WITHOUT_CUT,
    Findings,
)
from training.report.shown import extremes
from training.scene import Scene, Source
from training.scenes.composer import Composer
from training.scenes.grammar import Grammar, sentences_of_grammar

SIDE = 8


def scene(*, shots: list[int] | None = None, snr_db: float | None = None) -> Scene:
    """Return four seconds with a cat on the left, that sounds in all but the last."""
    masks = np.zeros((4, SIDE, SIDE), np.bool_)
    masks[:, :, :4] = True
    sounding = np.array([True, True, True, False])
    loud = np.full((4, 16_000), 0.1, np.float32)  # -20 dBFS
    return Scene(
        np.zeros((4, SIDE, SIDE, 3), np.uint8), loud,
        (Source("cat", masks, sounding, ("",) * 4),),
        shots=None if shots is None else np.array(shots), snr_db=snr_db,
    )  # fmt: skip


def region(columns: int, category: str = "cat") -> PredictedRegion:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[:, :columns] = True
    return PredictedRegion(mask, 0.9, category)


def found(truth: Scene, *answers: list[PredictedRegion]) -> Findings:
    findings = Findings()
    union = np.stack([sum((r.mask for r in a), np.zeros((SIDE, SIDE))) for a in answers])
    findings.watch(0, truth, answers, union.clip(0, 1).astype(np.float32))
    return findings


def test_the_mean_of_frames_is_the_j_that_evaluation_measures() -> None:
    pack = SmallPack()
    names = tuple(category.name for category in pack.categories)
    words = Tokenizer.learn(sentences_of_grammar(pack.categories))
    model = small_model(vocabulary=len(words.vocabulary), categories=len(names))
    predictor = TorchPredictor(
        model, categories=names, tokenizer=words, thresholds=Thresholds(sounding=0.3, mask=0.4)
    )
    findings = Findings()

    scores = score(
        predictor, Composer(pack, "test", size=64, seconds=2), 4, Grammar(pack.categories),
        categories=names, watch=findings.watch,
    )  # fmt: skip

    things = sum(n for (true, _), n in findings.pairs.items() if true != NOTHING_THERE)
    assert scores["j"] > 0
    assert findings.mean == pytest.approx(scores["j"], rel=1e-9)
    assert sum(map(len, findings.scenes.values())) == scores["sounding_frames"]
    assert things == scores["source_frames"]
    assert sum(map(len, findings.values["size"].values())) == scores["source_frames"]
    assert sum(map(len, findings.values["snr"].values())) == scores["sounding_frames"]


def test_frames_fall_into_bins_by_what_the_truth_tells() -> None:
    truth = scene(shots=[0, 0, 1, 1], snr_db=12.0)

    findings = found(truth, [region(4)], [region(2)], [], [])

    assert findings.scenes == {0: [1.0, 0.5, 0.0]}
    assert findings.values["snr"] == {"5 to 15": [1.0, 0.5, 0.0]}
    assert findings.values["level"] == {"over -20": [1.0, 0.5, 0.0]}
    assert findings.values["sources"] == {"1": [1.0, 0.5, 0.0]}
    assert findings.values["size"] == {"over 30": [1.0, 0.5, 0.0]}
    assert findings.values["cuts"] == {NEAR_CUT: [1.0], AT_CUT: [0.5, 0.0]}


def test_what_the_truth_does_not_tell_has_no_values() -> None:
    untold, whole = (found(s, [], [], [], []) for s in (scene(), scene(shots=[3, 3, 3, 3])))

    assert not {"snr", "cuts"} & untold.values.keys()
    assert whole.values["cuts"] == {WITHOUT_CUT: [0.0, 0.0, 0.0]}


def test_things_are_confused_missed_or_not_there() -> None:
    findings = found(scene(), [region(4, "dog")], [region(1)], [region(4)], [region(4, "owl")])

    assert findings.pairs == {
        ("cat", "dog"): 1,
        ("cat", NO_REGION): 1,
        (NOTHING_THERE, "cat"): 1,
        ("cat", "cat"): 1,
        (NOTHING_THERE, "owl"): 1,
    }


def test_of_boxes_the_best_region_counts_not_the_union() -> None:
    findings = Findings(boxes=True)
    answer = [region(4), region(8)]

    findings.watch(0, scene(), [answer, [], [], []], np.ones((4, SIDE, SIDE), np.float32))

    assert findings.scenes == {0: [1.0, 0.0, 0.0]}


def test_a_choice_of_frames_keeps_their_shots() -> None:
    chosen = scene(shots=[0, 0, 1, 1], snr_db=3.0).at(np.array([3, 0]))

    assert chosen.shots is not None
    assert chosen.shots.tolist() == [1, 0]
    assert chosen.snr_db == 3.0


def test_the_worst_and_best_scenes_are_those_of_the_mean_over_runs_and_no_scene_is_both() -> None:
    one = Findings(scenes={0: [0.2], 1: [0.9, 0.7], 2: [0.5], 3: [0.4]})
    other = Findings(scenes={0: [0.9], 1: [0.8], 2: [0.1], 3: [0.2]})

    assert extremes([one, other], 1) == ([2], [1])
    assert extremes([one, other], 2) == ([2, 3], [1, 0])
    assert extremes([one, other], 9) == ([2, 3], [1, 0])
    assert extremes([Findings()], 3) == ([], [])
