"""Open sentences that are filled in are the sentences of the grammar with these categories."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ssuformer.sentences import filled
from training.categories import CATEGORIES, FilmCategory
from training.scenes.grammar import Facts, Grammar
from training.scenes.unnamed import UNNAMED

ALONE = Facts("thing", "on the left")
PLAIN, COLOURFUL = ALONE, replace(ALONE, size="small", colour="orange", direction="up")


@pytest.mark.parametrize("facts", [PLAIN, COLOURFUL], ids=["plain", "colourful"])
def test_a_filled_sentence_is_that_of_the_grammar(facts: Facts) -> None:
    grammar = Grammar(CATEGORIES)

    for category in CATEGORIES:
        sentence = filled(UNNAMED.say(facts), noun=category.noun, verb=category.verb)

        assert sentence == grammar.say(replace(facts, category=category.name))


@pytest.mark.parametrize("facts", [PLAIN, COLOURFUL], ids=["plain", "colourful"])
@pytest.mark.parametrize("company", [CATEGORIES[0], CATEGORIES[-1]], ids=lambda other: other.name)
def test_a_filled_sentence_about_two_is_that_of_the_grammar(
    facts: Facts, company: FilmCategory
) -> None:
    grammar = Grammar(CATEGORIES)
    sentence = UNNAMED.say(replace(facts, company="other"))

    for category in CATEGORIES:
        said = filled(
            sentence, noun=category.noun, verb=category.verb,
            other=company.noun, other_verb=company.verb,
        )  # fmt: skip

        known = replace(facts, category=category.name, company=company.name)
        assert said == grammar.say(known)
