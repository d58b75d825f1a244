import itertools

import pytest

from ssuformer.tokenizer import Tokenizer
from tests.training.small_pack import SmallPack
from training.scenes.grammar import (
    COLOURS,
    DIRECTIONS,
    SIZES,
    WHERES,
    Facts,
    Grammar,
    sentences_of_grammar,
)

GRAMMAR = Grammar(SmallPack.categories)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            Facts("fire_engine", "on the left", company="dog", size="large", colour="red"),
            "a large red fire engine wails on the left while a dog barks",
        ),
        (Facts("owl", "in the middle"), "an owl hoots alone in the middle"),
        (
            Facts("violin", "at the top", company="piano", direction="right"),
            "a violin plays a tune at the top moving to the right together with a piano",
        ),
        (
            Facts("maracas", "at the bottom", company="cat", colour="orange"),
            "orange maracas are shaken at the bottom while a cat meows",
        ),
    ],
)
def test_every_set_of_facts_has_its_sentence(facts: Facts, sentence: str) -> None:
    assert GRAMMAR.say(facts) == sentence


def test_a_sentence_gives_back_the_facts_it_was_made_of() -> None:
    names = list(GRAMMAR.categories)
    combinations = itertools.product(
        names, WHERES, (None, *names), (None, *SIZES), (None, *COLOURS[::4]), (None, *DIRECTIONS)
    )

    for name, where, company, size, colour, direction in itertools.islice(combinations, 0, None, 7):
        facts = Facts(name, where, company if company != name else None, size, colour, direction)
        assert GRAMMAR.facts(GRAMMAR.say(facts)) == facts


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "a dog meows alone on the left",
        "a dog barks on the left",
        "an dog barks alone on the left",
        "a dog barks alone on the left while a cat meows",
        "a violin plays a tune on the left while a piano plays chords",
        "a red large dog barks alone on the left",
        "a dog barks alone on the left on the left",
    ],
)
def test_a_sentence_that_the_grammar_would_not_say_has_no_facts(sentence: str) -> None:
    assert GRAMMAR.facts(sentence) is None


def test_the_sentences_of_the_grammar_teach_every_word_it_can_say() -> None:
    tokenizer = Tokenizer.learn(sentences_of_grammar(SmallPack.categories))
    facts = Facts("ukulele", "at the top right", "electric_guitar", "small", "pink", "down")

    ids = tokenizer.encode(GRAMMAR.say(facts))

    assert len(ids) == len(GRAMMAR.say(facts).split()) + 1
    assert tokenizer.decode(ids) == GRAMMAR.say(facts)


def test_no_sentence_is_longer_than_22_words() -> None:
    assert max(len(sentence.split()) for sentence in GRAMMAR.sentences()) <= 22
