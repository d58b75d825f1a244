"""Articles follow the sound of the noun; what is not seen is said to be out of sight."""

from __future__ import annotations

import pytest

from service.engines.fake import FakeEngine
from ssuformer.sentences import Wording, heard_clause, named, with_article


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("owl", "an owl"),
        ("ukulele", "a ukulele"),
        ("unicycle", "a unicycle"),
        ("umbrella", "an umbrella"),
        ("orange cat", "an orange cat"),
        ("violin", "a violin"),
        ("hourglass", "an hourglass"),
    ],
)
def test_the_article_follows_the_sound_of_the_noun(noun: str, expected: str) -> None:
    assert with_article(noun) == expected


@pytest.mark.parametrize(
    ("noun", "verb", "expected"),
    [
        ("dog", "barks", "a dog"),
        ("scissors", "are cutting", "scissors"),
        ("something", "sounds", "something"),
        ("small something", "sounds", "a small something"),
    ],
)
def test_plurals_and_something_take_no_article(noun: str, verb: str, expected: str) -> None:
    assert named(noun, verb) == expected


def test_what_is_out_of_sight_is_said_with_the_words_of_the_manifest() -> None:
    manifest = FakeEngine().facts.manifest

    spoken, plain = Wording(manifest), Wording(manifest.model_copy(update={"nouns": ()}))

    assert spoken.out_of_sight(2) == "an engine idles out of sight"
    assert plain.out_of_sight(0) == "bell, out of sight"


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("a dog barks out of sight", "dog barks"),
        ("an owl hoots out of sight", "owl hoots"),
        ("something sounds out of sight", "something sounds"),
        ("dog, out of sight", "dog"),
    ],
)
def test_in_short_only_noun_and_verb_are_left(description: str, expected: str) -> None:
    assert heard_clause(description) == expected
