"""Sentences under true masks: every source that sounds has one, whatever the model's masks are."""

from __future__ import annotations

import pytest

from ssuformer.manifest import Thresholds
from ssuformer.tokenizer import Tokenizer
from tests.ssuformer.model.small_model import small_model
from training.bench.description import SCORES, score_under_truth
from training.evaluation import EVERYTHING, WITHOUT_SENTENCES, Exam, score
from training.packs import procedural
from training.predictor import TorchPredictor
from training.scenes.composer import Composer
from training.scenes.grammar import Grammar, sentences_of_grammar

PACK = procedural.pack()
CATEGORIES = tuple(category.name for category in PACK.categories)
GRAMMAR = Grammar(PACK.categories)
TOKENIZER = Tokenizer.learn(sentences_of_grammar(PACK.categories))
SCENES = Composer(PACK, "test", seconds=2)


@pytest.fixture(scope="module")
def predictor() -> TorchPredictor:
    model = small_model(vocabulary=len(TOKENIZER.vocabulary), categories=len(CATEGORIES))
    return TorchPredictor(
        model, categories=CATEGORIES, tokenizer=TOKENIZER, thresholds=Thresholds()
    )


def test_every_source_has_a_sentence_under_its_true_mask(predictor: TorchPredictor) -> None:
    own = score(predictor, SCENES, 4, GRAMMAR)

    found = score_under_truth(predictor, Exam(SCENES, GRAMMAR, EVERYTHING), 4, CATEGORIES)

    assert own["source_frames"] > 4
    assert own["sentences"] < own["source_frames"]
    assert found["sentences"] == own["source_frames"]
    assert {"cider_d", "where_accuracy"} <= found.keys() <= set(SCORES)


def test_scenes_without_sentences_have_no_scores(predictor: TorchPredictor) -> None:
    exam = Exam(SCENES, GRAMMAR, WITHOUT_SENTENCES)

    assert score_under_truth(predictor, exam, 2, CATEGORIES) == {}
