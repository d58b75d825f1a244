"""Which queries become regions, and which regions share a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from service.engines.fake import FakeEngine
from ssuformer.manifest import Thresholds
from ssuformer.regions import (
    SAME,
    STILL,
    Detection,
    Segmentation,
    category_probabilities,
    find_regions,
    heard_in,
    name_of,
    plan_captions,
    query_categories,
    sentence_of,
)
from ssuformer.sentences import Wording

SIDE = 20


def window(scores: ArrayLike, *, categories: int = 3, seed: int = 0) -> Segmentation:
    """An engine's answer with these sounding scores [t q]; every mask is the whole frame."""
    sounding = np.array(scores, np.float32)
    t, q = sounding.shape
    rng = np.random.default_rng(seed)
    return Segmentation(
        mask_probability=np.ones((t, q, SIDE, SIDE), np.float32),
        sounding_probability=sounding,
        category_logits=np.zeros((t, q, categories), np.float32),
        region_tokens=rng.random((t, q, 2, 5), np.float32),
        scene_prompt=rng.random((t, 5), np.float32),
        source_prompt=rng.random((t, 5), np.float32),
    )


def apart(answer: Segmentation) -> Segmentation:
    """Give every query a category of its own, so that none is another's twin."""
    answer.category_logits[:] = np.eye(*answer.category_logits.shape[1:])
    return answer


def rows(answer: Segmentation, frame: int, query: int, begin: int, end: int) -> None:
    """Draw a mask over some rows of the frame."""
    answer.mask_probability[frame, query] = 0
    answer.mask_probability[frame, query, begin:end] = 1


def queries(frames: list[list[Detection]]) -> list[list[int]]:
    return [[region.query for region in frame] for frame in frames]


@pytest.mark.parametrize(
    ("sounding", "min_score", "kept"),
    [
        (0.5, 0.0, [0, 1]),
        (0.25, 0.0, [0, 1, 2]),
        (0.5, 0.25, [0, 1]),
        (0.25, 0.75, [0]),
        (1.0, 0.0, []),
        (0.0, 0.0, [0, 1, 2, 3]),
    ],
)
def test_a_score_must_reach_the_calibrated_threshold_and_the_one_asked_for(
    sounding: float, min_score: float, kept: list[int]
) -> None:
    answer = apart(window([[0.75, 0.5, 0.25, 0.0]], categories=4))

    found = find_regions(answer, thresholds=Thresholds(sounding=sounding), min_score=min_score)

    assert queries(found) == [kept]


def test_each_frame_lists_its_own_regions_the_most_certain_first() -> None:
    answer = apart(window([[0.6, 0.9, 0.7], [0.8, 0.1, 0.9]]))

    found = find_regions(answer, thresholds=Thresholds(), min_score=0)

    assert queries(found) == [[1, 2, 0], [2, 0]]
    assert [[region.frame for region in frame] for frame in found] == [[0, 0, 0], [1, 1]]
    assert [region.score for region in found[1]] == pytest.approx([0.9, 0.8])


def test_equally_certain_regions_keep_the_order_of_their_queries() -> None:
    answer = apart(window([[0.8] * 20], categories=20))

    found = find_regions(answer, thresholds=Thresholds(), min_score=0)

    assert queries(found) == [list(range(20))]


def test_a_pixel_belongs_to_the_mask_only_above_the_threshold() -> None:
    answer = window([[0.9]])
    answer.mask_probability[0, 0] = 0.75
    answer.mask_probability[0, 0, 3, 4] = 0.875

    ((region,),) = find_regions(answer, thresholds=Thresholds(mask=0.75), min_score=0)

    assert np.argwhere(region.mask).tolist() == [[3, 4]]
    np.testing.assert_array_equal(region.probability, answer.mask_probability[0, 0])


def test_a_query_that_sounds_without_a_pixel_is_no_region() -> None:
    answer = window([[0.9, 0.8]])
    answer.mask_probability[0, 0] = 0.5

    found = find_regions(answer, thresholds=Thresholds(mask=0.5), min_score=0)

    assert queries(found) == [[1]]


def test_a_silent_window_has_an_empty_list_for_every_frame() -> None:
    found = find_regions(window(np.zeros((3, 2))), thresholds=Thresholds(), min_score=0)

    assert found == [[], [], []]


def test_a_query_has_one_category_in_the_whole_window_decided_where_it_sounds() -> None:
    answer = window([[0.9], [0.1], [0.1]])
    answer.category_logits[:, 0] = [[2, 0, 0], [0, 3, 0], [0, 3, 0]]

    found = find_regions(answer, thresholds=Thresholds(sounding=0.1), min_score=0)

    assert query_categories(answer).tolist() == [0]
    assert [region.category for frame in found for region in frame] == [0, 0, 0]


def test_a_query_that_never_sounds_still_has_the_category_of_its_logits() -> None:
    answer = window([[0.0, 0.0]])
    answer.category_logits[0] = [[0, 0, 1], [0, 1, 0]]

    assert query_categories(answer).tolist() == [2, 1]


def test_twins_are_merged_into_the_most_certain_one_in_one_category_only() -> None:
    answer = window([[0.6, 0.9, 0.7, 0.8]])
    answer.category_logits[0, 3] = [0, 1, 0]

    ((best, other),) = find_regions(answer, thresholds=Thresholds(), min_score=0)

    assert (best.query, best.category, best.twins) == (1, 0, (2, 0))
    assert (other.query, other.category, other.twins) == (3, 1, ())
    assert best.score == pytest.approx(0.9)


@pytest.mark.parametrize(("shared", "merged"), [(14, False), (15, True)])
def test_masks_are_twins_when_they_overlap_by_more_than_the_limit(
    shared: int, *, merged: bool
) -> None:
    answer = window([[0.9, 0.8]])
    rows(answer, 0, 1, 0, shared)

    (found,) = find_regions(answer, thresholds=Thresholds(), min_score=0)

    assert (shared / SIDE > SAME) == merged
    assert len(found) == 2 - merged


def test_twins_of_one_frame_are_two_sources_where_they_part() -> None:
    answer = window([[0.9, 0.8], [0.9, 0.8]])
    rows(answer, 1, 0, 0, 10)
    rows(answer, 1, 1, 10, 20)

    found = find_regions(answer, thresholds=Thresholds(), min_score=0)

    assert queries(found) == [[0], [0, 1]]
    assert found[0][0].twins == (1,)


def planned(answer: Segmentation) -> list[tuple[Segmentation, list[list[Detection]]]]:
    return [(answer, find_regions(answer, thresholds=Thresholds(), min_score=0))]


def test_a_source_that_stays_needs_one_sentence_taken_from_its_first_frame() -> None:
    answer = window([[0.9]] * 4)

    plan = plan_captions(planned(answer))

    np.testing.assert_array_equal(plan.inputs[0], answer.region_tokens[:1, 0])
    np.testing.assert_array_equal(plan.inputs[1], answer.scene_prompt[:1])
    np.testing.assert_array_equal(plan.inputs[2], answer.source_prompt[:1])
    assert plan.assign(["one"]) == [{(frame, 0): "one" for frame in range(4)}]


@pytest.mark.parametrize(("kept", "sentences"), [(14, 1), (13, 2)])
def test_a_source_that_moves_too_far_needs_another_sentence(kept: int, sentences: int) -> None:
    answer = window([[0.9], [0.9]])
    rows(answer, 1, 0, 0, kept)

    plan = plan_captions(planned(answer))

    assert (kept / SIDE >= STILL) == (sentences == 1)
    assert len(plan.inputs[0]) == sentences


def test_when_one_joins_or_leaves_all_are_described_again() -> None:
    answer = apart(window([[0.9, 0.0], [0.9, 0.8], [0.9, 0.8], [0.9, 0.0]], categories=2))

    plan = plan_captions(planned(answer))

    said = plan.assign("abcd")
    assert said == [{(0, 0): "a", (1, 0): "b", (1, 1): "c", (2, 0): "b", (2, 1): "c", (3, 0): "d"}]


def test_an_order_that_changes_with_the_scores_needs_no_new_sentence() -> None:
    answer = apart(window([[0.9, 0.8], [0.8, 0.9]], categories=2))

    plan = plan_captions(planned(answer))

    assert plan.assign(["left", "right"]) == [
        {(0, 0): "left", (0, 1): "right", (1, 0): "left", (1, 1): "right"}
    ]


def test_a_source_heard_again_after_silence_is_described_again() -> None:
    answer = window([[0.9], [0.0], [0.9]])

    plan = plan_captions(planned(answer))

    assert plan.assign(["before", "after"]) == [{(0, 0): "before", (2, 0): "after"}]


def test_inputs_are_gathered_window_by_window_in_the_order_of_their_regions() -> None:
    first = apart(window([[0.8, 0.9], [0.0, 0.0]], categories=2, seed=1))
    quiet = window([[0.0]], seed=2)
    last = window([[0.0], [0.9]], seed=3)

    plan = plan_captions([*planned(first), *planned(quiet), *planned(last)])

    np.testing.assert_array_equal(
        plan.inputs[0],
        [first.region_tokens[0, 1], first.region_tokens[0, 0], last.region_tokens[1, 0]],
    )
    for prompts, given in ((plan.inputs[1], "scene_prompt"), (plan.inputs[2], "source_prompt")):
        one, other = getattr(first, given)[0], getattr(last, given)[1]
        np.testing.assert_array_equal(prompts, [one, one, other])
    assert plan.assign("abc") == [{(0, 1): "a", (0, 0): "b"}, {}, {(1, 0): "c"}]


def test_silent_windows_need_no_sentence_but_have_an_answer_each() -> None:
    quiet = window([[0.0, 0.0]])

    plan = plan_captions([*planned(quiet), *planned(quiet)])

    assert [part.shape for part in plan.inputs] == [(0, 2, 5), (0, 5), (0, 5)]
    assert plan.assign([]) == [{}, {}]


def test_a_sentence_too_few_or_too_many_is_not_dropped_in_silence() -> None:
    plan = plan_captions(planned(window([[0.9]])))

    for sentences in ([], ["one", "two"]):
        with pytest.raises(ValueError, match="argument 2"):
            plan.assign(sentences)


def test_the_probability_of_a_category_is_the_softmax_of_the_frames_weighted_by_sounding() -> None:
    answer = window([[0.9, 0.5], [0.0, 0.5]])
    answer.category_logits[0, 0] = [np.log(8), 0, 0]
    answer.category_logits[1, 0] = [0, 9, 0]

    assert category_probabilities(answer) == pytest.approx([0.8, 1 / 3], abs=1e-3)


@pytest.mark.parametrize(
    ("threshold", "names"),
    [
        (0.0, ["dog", "cat"]),
        (0.5, ["dog", "something"]),
        (0.9, ["something", "something"]),
    ],
)
def test_a_region_below_the_category_threshold_is_something(
    threshold: float, names: list[str]
) -> None:
    answer = window([[0.9, 0.6]])
    answer.category_logits[0] = [[np.log(8), 0, 0], [0, 0.1, 0]]
    rows(answer, 0, 1, 0, 5)

    (found,) = find_regions(answer, thresholds=Thresholds(category=threshold), min_score=0.0)

    assert [name_of(region, ("dog", "cat", "owl")) for region in found] == names
    assert [region.score for region in found] == pytest.approx([0.9, 0.6])


def test_two_somethings_at_one_place_are_one() -> None:
    answer = window([[0.9, 0.6]])
    answer.category_logits[0] = [[0.1, 0, 0], [0, 0.1, 0]]

    (unsure,) = find_regions(answer, thresholds=Thresholds(category=0.5), min_score=0.0)
    (sure,) = find_regions(answer, thresholds=Thresholds(), min_score=0.0)

    assert [(region.query, region.twins) for region in unsure] == [(0, (1,))]
    assert len(sure) == 2


@pytest.mark.parametrize(
    ("heard", "names"),
    [
        ([[0.0, 0.5], [0.0, 0.0]], ["something", "cat"]),
        ([[0.0, 0.0], [0.3, 0.9]], ["something", "something"]),
        ([[0.2, 0.3], [0.0, 0.0]], ["dog", "cat"]),
        (None, ["dog", "cat"]),
    ],
    ids=["one of them", "only where they are silent", "both", "nobody listens"],
)
def test_a_category_that_is_not_heard_is_no_name(
    heard: list[list[float]] | None, names: list[str]
) -> None:
    categories = ("dog", "cat")
    answer = window([[0.9, 0.6], [0.1, 0.1]])
    answer.category_logits[:] = [[5, 0, 0], [0, 5, 0]]
    rows(answer, 0, 1, 0, 5)
    if heard is not None:
        answer = replace(answer, heard_probability=np.array(heard, np.float32))
    thresholds = Thresholds(category_heard=0.2)

    found, _ = find_regions(answer, thresholds=thresholds, min_score=0.0, categories=categories)

    assert [name_of(region, categories) for region in found] == names


def test_the_category_something_is_never_a_name() -> None:
    categories = ("dog", "cat", "something")
    answer = window([[0.9, 0.6]])
    answer.category_logits[0] = [[5, 0, 0], [0, 0, 5]]
    rows(answer, 0, 1, 0, 5)

    (found,) = find_regions(answer, thresholds=Thresholds(), min_score=0.0, categories=categories)

    assert [name_of(region, categories) for region in found] == ["dog", "something"]
    assert [region.named for region in found] == [True, False]


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.0, [2, 0, 3, 1]), (0.3, [2, 0, 3]), (0.5, [2]), (0.95, [])]
)
def test_categories_from_the_threshold_on_are_heard_most_probable_first(
    threshold: float, expected: list[int]
) -> None:
    probability = np.array([[0.0] * 4, [0.31, 0.1, 0.9, 0.31]], np.float32)
    answer = replace(window([[0.0], [0.0]], categories=4), heard_probability=probability)

    found = heard_in(answer, 1, threshold=threshold)

    assert [category for category, _ in found] == expected


def test_an_engine_that_does_not_hear_hears_nothing() -> None:
    assert heard_in(window([[0.9]]), 0, threshold=0.0) == []


WHOLE = np.ones((SIDE, SIDE), np.float32)
SURE = Detection(0, 0, 0, 0.9, WHOLE, WHOLE > 0)


def test_a_region_beside_others_is_not_said_to_sound_alone() -> None:
    wording = Wording(FakeEngine().facts.manifest)

    said = sentence_of(SURE, "a <noun> <verb> alone on the left", [], wording, alone=False)

    assert said == "a bell rings on the left"


def test_a_generic_category_counts_as_a_kind_of_it_that_is_seen_or_heard() -> None:
    generic = {1: 0, 2: 0}
    probability = np.array([[0.9, 0.1, 0.6, 0.8]], np.float32)
    answer = replace(window([[0.0]], categories=4), heard_probability=probability)

    unseen = heard_in(answer, 0, threshold=0.5, generic=generic)
    seen = heard_in(answer, 0, threshold=0.5, regions=[SURE], generic={0: 3})
    other = heard_in(answer, 0, threshold=0.5, regions=[replace(SURE, category=1)], generic=generic)

    assert [k for k, _ in unseen] == [2, 3]
    assert [k for k, _ in seen] == [0, 2]
    assert [k for k, _ in other] == [1, 3, 2]


@pytest.mark.parametrize(
    ("found", "heard", "sentence"),
    [
        (SURE, [(0, 0.9), (2, 0.8), (1, 0.7)], "a bell rings while an engine idles"),
        (SURE, [(0, 0.9)], "a bell rings"),
        (replace(SURE, named=False), [(0, 0.9), (1, 0.7)], "something sounds while a lamp hums"),
    ],
)
def test_open_places_take_the_region_and_the_most_probable_other(
    found: Detection, heard: list[tuple[int, float]], sentence: str
) -> None:
    wording = Wording(FakeEngine().facts.manifest)

    assert sentence_of(found, "a <noun> <verb> while a <other> <does>", heard, wording) == sentence
