from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from training.metrics import report as report_module
from training.metrics.regions import PredictedRegion, true_regions
from training.metrics.report import Evaluation
from training.scene import Scene, Source

Regions = list[list[PredictedRegion]]
CATEGORIES = ("cat", "dog", "drum")
COUNTS = {"scenes", "frames", "sounding_frames", "silent_frames"} | {
    "source_frames",
    "regions",
    "sentences",
    "regions_on_people",
}


def read_facts(sentence: str) -> Mapping[str, object]:
    """A fake of the grammar: knows three things, two sides and one colour."""
    told = sentence.split()
    return {
        "category": next((word for word in told if word in CATEGORIES), None),
        "where": next((word for word in told if word in ("left", "right")), None),
        "colour": "red" if "red" in told else None,
    }


def kind(name: str) -> str:
    """A fake of the names' kinds: everything is a thing but the boys and girls."""
    return "person" if name in ("boy", "girl") else "thing"


def block(rows: slice, columns: slice) -> npt.NDArray[np.bool_]:
    mask = np.zeros((4, 12, 12), dtype=np.bool_)
    mask[:, rows, columns] = True
    return mask


def scene() -> Scene:
    """Frame 0: a dog; 1: a dog and a drum; 2: silence; 3: the drum. A cat is always quiet."""
    dog = Source(
        "dog",
        block(slice(0, 6), slice(0, 6)),
        np.array([True, True, False, False]),
        ("a red dog barks on the left", "a dog barks beside a drum", "", ""),
    )
    drum = Source(
        "drum",
        block(slice(6, 12), slice(6, 12)),
        np.array([False, True, False, True]),
        ("", "a drum is beaten with a dog", "", "a drum on the right is beaten alone"),
    )
    cat = Source(
        "cat", block(slice(0, 6), slice(6, 12)), np.zeros(4, dtype=np.bool_), ("", "", "", "")
    )
    return Scene(
        np.zeros((4, 12, 12, 3), np.uint8), np.zeros((4, 16_000), np.float32), (dog, drum, cat)
    )


def perfect(truth: Scene) -> Regions:
    return [
        [
            PredictedRegion(true.mask, 0.9, true.category, true.sentence)
            for true in true_regions(truth, t)
        ]
        for t in range(len(truth.frames))
    ]


def measured(regions: Regions, union: npt.NDArray[Any] | None = None) -> dict[str, float]:
    truth = scene()
    evaluation = Evaluation(facts=read_facts, kind=kind)
    evaluation.add(truth, regions=regions, union=truth.sounding_mask() if union is None else union)
    return evaluation.report()


def test_a_perfect_prediction_scores_full_marks_everywhere() -> None:
    scores = measured(perfect(scene()))

    off = {"false_alarm_area": 0.0, "cider_d": 10.0}
    for name in scores.keys() - COUNTS:
        assert scores[name] == pytest.approx(off.get(name, 1.0)), name


def test_the_counts_say_what_the_scores_are_made_of() -> None:
    scores = measured(perfect(scene()))

    assert {name: scores[name] for name in COUNTS} == {
        "scenes": 1,
        "frames": 4,
        "sounding_frames": 3,
        "silent_frames": 1,
        "source_frames": 4,
        "regions": 4,
        "sentences": 4,
        "regions_on_people": 0,
    }


def test_an_empty_prediction_scores_zero_but_for_f_and_the_background() -> None:
    scores = measured([[], [], [], []], np.zeros((4, 12, 12), np.float32))

    by_background = {"f", "f_dataset", "semantic_miou", "semantic_f", "j_avsbench", "f_avsbench"}
    for name in scores.keys() - COUNTS - by_background:
        assert scores[name] == 0.0, name


def test_what_was_not_measured_is_left_out_and_counts_are_not() -> None:
    assert Evaluation(facts=read_facts, kind=kind).report().keys() == COUNTS


def test_without_sentences_only_scores_that_need_none_are_there() -> None:
    truth = scene()
    evaluation = Evaluation(facts=read_facts, kind=kind, sentences=False)

    evaluation.add(truth, regions=perfect(truth), union=truth.sounding_mask())

    assert evaluation.report().keys() - COUNTS == {
        "j", "f", "f_dataset", "j_avsbench", "f_avsbench", "false_alarm_area",
        "instance_ap50", "instance_ap", "instance_j", "region_recall", "category_accuracy",
        "semantic_miou", "semantic_f",
    }  # fmt: skip


def test_every_name_is_explained() -> None:
    explained = str(report_module.__doc__)

    for name in measured(perfect(scene())):
        assert name in explained or name in ("bleu_2", "bleu_3"), name


def test_a_sentence_about_the_wrong_thing_spoils_the_fact_and_not_the_mask() -> None:
    regions = perfect(scene())
    regions[0] = [replace(regions[0][0], sentence="a cat meows on the left")]

    scores = measured(regions)

    assert scores["region_recall"] == 1.0
    assert scores["category_accuracy"] == 1.0
    assert scores["fact_accuracy"] == scores["fact_recall"] == scores["joint_f1"] == 0.75
    assert scores["where_accuracy"] == 1.0
    assert scores["colour_accuracy"] == 0.0
    assert scores["instance_ap50"] == 1.0


def test_a_missed_source_costs_recall_and_not_accuracy() -> None:
    regions = perfect(scene())
    regions[3] = []

    scores = measured(regions)

    assert scores["fact_accuracy"] == scores["joint_precision"] == 1.0
    assert scores["fact_recall"] == scores["joint_recall"] == scores["region_recall"] == 0.75


def test_a_mask_in_the_wrong_place_is_on_no_source() -> None:
    regions = perfect(scene())
    cat = scene().sources[2].masks[0]
    regions[0] = [replace(regions[0][0], mask=cat)]

    scores = measured(regions)

    assert scores["fact_accuracy"] == 1.0
    assert scores["joint_precision"] == scores["joint_recall"] == 0.75
    assert scores["sentences"] == 3


def test_a_region_in_a_silent_frame_costs_precision_alone() -> None:
    regions = perfect(scene())
    regions[2] = [PredictedRegion(scene().sources[2].masks[2], 0.9, "cat", "a cat meows")]

    scores = measured(regions)

    assert scores["joint_precision"] == 0.8
    assert scores["joint_recall"] == 1.0


def test_a_region_without_a_sentence_names_nothing() -> None:
    regions = [[replace(region, sentence="") for region in frame] for frame in perfect(scene())]

    scores = measured(regions)

    assert scores["fact_accuracy"] == 0.0
    assert scores["category_accuracy"] == 1.0


def test_masks_are_scored_by_both_protocols() -> None:
    nothing = np.zeros((4, 12, 12), np.float32)

    scores = measured([[], [], [], []], nothing)

    assert scores["j"] == 0.0
    assert scores["j_avsbench"] == pytest.approx(0.25)


def test_scenes_add_up_frame_by_frame() -> None:
    truth = scene()
    evaluation = Evaluation(facts=read_facts, kind=kind)

    evaluation.add(truth, regions=perfect(truth), union=truth.sounding_mask())
    evaluation.add(truth, regions=[[], [], [], []], union=np.zeros((4, 12, 12), np.float32))

    scores = evaluation.report()
    assert scores["scenes"] == 2
    assert scores["j"] == scores["joint_recall"] == scores["instance_j"] == 0.5
    assert scores["joint_precision"] == scores["fact_accuracy"] == 1.0


def test_a_wrong_number_of_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="regions of 1 frames for a scene of 4"):
        measured([[]])


def test_a_mask_of_another_size_is_refused() -> None:
    regions: Regions = [[PredictedRegion(np.ones((3, 3), dtype=np.bool_), 0.9, "dog")], [], [], []]

    with pytest.raises(ValueError, match=r"region masks of \[\(3, 3\)\]"):
        measured(regions)


@pytest.mark.parametrize(
    ("names", "misnamed"),
    [(("boy", "girl"), 0.0), (("dog", "boy"), 0.5), (("dog", "drum"), 1.0), (("something",), 0.0)],
)
def test_people_named_as_animals_or_things_are_counted(
    names: tuple[str, ...], misnamed: float
) -> None:
    dog, drum, cat = scene().sources
    truth = replace(scene(), sources=(replace(dog, category="boy"), drum, cat))
    regions: Regions = [[PredictedRegion(dog.masks[0], 0.9, name)] for name in names]
    regions += [[] for _ in range(4 - len(names))]
    regions[3] = [PredictedRegion(drum.masks[3], 0.9, "dog")]
    evaluation = Evaluation(facts=read_facts, kind=kind, sentences=False)

    evaluation.add(truth, regions=regions, union=truth.sounding_mask())

    scores = evaluation.report()
    assert scores["people_misnamed"] == misnamed
    assert scores["regions_on_people"] == len(names)
