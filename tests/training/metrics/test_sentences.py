import math
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from training.metrics.sentences import SentenceAccumulator, SentenceScores, words

PAIRS = [
    ("a small dog barks on the left", "A small dog barks on the right."),
    ("the red guitar plays", "A red guitar is played alone."),
    ("a cat meows", "A cat meows loudly in the middle."),
]


def measured(pairs: list[tuple[str, str]]) -> SentenceScores:
    accumulator = SentenceAccumulator()
    for said, true in pairs:
        accumulator.add(said, true)
    return accumulator.scores()


def test_words_are_lower_case_and_without_punctuation() -> None:
    assert words("A half-open door's hinge, creaking!") == [
        "a",
        "half-open",
        "door's",
        "hinge",
        "creaking",
    ]


def test_scores_are_those_of_the_coco_caption_evaluation() -> None:
    scores = measured(PAIRS)

    assert scores.bleu == pytest.approx((0.51184497, 0.49244164, 0.46219061, 0.44322281))
    assert scores.rouge_l == pytest.approx(0.60095061)
    assert scores.cider_d == pytest.approx(4.35893791)
    assert scores.pairs == 3


def test_scores_worked_out_by_hand() -> None:
    scores = measured([("the dog barks", "the big dog barks")])

    shortness = math.exp(1 - 4 / 3)
    assert scores.bleu == pytest.approx((shortness, shortness * math.sqrt(1 / 2), 0.0, 0.0))
    assert scores.rouge_l == pytest.approx((1 + 1.2**2) * 0.75 / (0.75 + 1.2**2))


def test_the_true_sentences_themselves_score_full_marks() -> None:
    scores = measured([(true, true) for _, true in PAIRS])

    assert scores.bleu == pytest.approx((1.0, 1.0, 1.0, 1.0))
    assert scores.rouge_l == pytest.approx(1.0)
    assert scores.cider_d == pytest.approx(10.0)


def test_silence_scores_zero() -> None:
    scores = measured([("", true) for _, true in PAIRS])

    assert scores == SentenceScores(bleu=(0, 0, 0, 0), rouge_l=0, cider_d=0, pairs=3)


@pytest.mark.parametrize("pairs", [[], [("a dog", "")], [("a dog", " ... ")]])
def test_without_a_true_word_there_is_nothing_to_score(pairs: list[tuple[str, str]]) -> None:
    assert measured(pairs).pairs == 0
    assert measured(pairs).cider_d == 0.0


sentence = st.lists(st.sampled_from(["a", "dog", "barks", "left", "red"]), max_size=8).map(" ".join)


@settings(max_examples=30, deadline=None)
@given(pairs=st.lists(st.tuples(sentence, sentence), max_size=5))
@example(pairs=[("a", "dog"), ("a a", "a a")])
def test_every_score_stays_in_its_range_and_longer_n_grams_only_lower_the_product(
    pairs: list[tuple[str, str]],
) -> None:
    scores = measured(pairs)

    assert all(0 <= score <= 1 + 1e-9 for score in (*scores.bleu, scores.rouge_l))
    assert 0 <= scores.cider_d <= 10 + 1e-9
    # BLEU-n itself may rise with n: two words that are right beside one that is wrong.
    products = [score**n for n, score in enumerate(scores.bleu, 1)]
    assert all(longer <= shorter + 1e-9 for shorter, longer in pairwise(products))
