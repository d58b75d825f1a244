"""Open places are filled, articles follow the sound of the noun, the unseen is out of sight."""

from __future__ import annotations

import pytest

from service.engines.fake import FakeEngine
from ssuformer.sentences import Wording, filled, heard_clause, named, with_article
from ssuformer.tokenizer import Tokenizer


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
    ("words", "expected"),
    [
        (("dog", "barks"), "a dog"),
        (("owl", "hoots", "small", "red"), "a small red owl"),
        (("scissors", "are cutting", "orange"), "orange scissors"),
        (("something", "sounds"), "something"),
        (("something", "sounds", "small"), "something small"),
        (("something", "sounds", "small", "red"), "something small and red"),
    ],
)
def test_plurals_and_something_take_no_article(words: tuple[str, ...], expected: str) -> None:
    assert named(*words) == expected


def test_what_is_out_of_sight_is_said_with_the_words_of_the_manifest() -> None:
    manifest = FakeEngine().facts.manifest

    spoken, plain = (
        Wording(manifest),
        Wording(manifest.model_copy(update={"nouns": (), "verbs": ()})),
    )

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


OPEN = "a small <noun> <verb> on the left while a <other> <does>"


@pytest.mark.parametrize(
    ("sentence", "noun", "verb", "expected"),
    [
        ("a <noun> <verb> alone on the left", "owl", "hoots", "an owl hoots alone on the left"),
        ("an <noun> <verb> at the top", "dog", "barks", "a dog barks at the top"),
        ("a small <noun> <verb> at the top", "owl", "hoots", "a small owl hoots at the top"),
        ("an orange <noun> <verb>", "dog", "barks", "an orange dog barks"),
        ("a <noun> <verb>", "fire engine", "wails", "a fire engine wails"),
        ("a <noun> <verb>", "scissors", "are cutting", "scissors are cutting"),
        ("a red <noun> <verb>", "scissors", "are cutting", "red scissors are cutting"),
        ("a <noun> <verb> on the left", "something", "sounds", "something sounds on the left"),
        ("a red <noun> <verb>", "something", "sounds", "something red sounds"),
        ("<noun> <verb>", "owl", "hoots", "owl hoots"),
        ("a bell is ringing.", "dog", "barks", "a bell is ringing."),
        ("", "dog", "barks", ""),
    ],
)
def test_the_name_of_a_region_is_filled_in_with_its_article(
    sentence: str, noun: str, verb: str, expected: str
) -> None:
    assert filled(sentence, noun=noun, verb=verb) == expected


@pytest.mark.parametrize(
    ("sentence", "other", "does", "expected"),
    [
        (OPEN, "owl", "hoots", "a small dog barks on the left while an owl hoots"),
        (
            OPEN,
            "scissors",
            "are cutting",
            "a small dog barks on the left while scissors are cutting",
        ),
        (OPEN, "something", "sounds", "a small dog barks on the left while something sounds"),
        (
            "a <noun> <verb> together with a <other>",
            "owl",
            "hoots",
            "a dog barks together with an owl",
        ),
        ("a <noun> <verb> and the <other> <does>", "owl", "hoots", "a dog barks and the owl hoots"),
        ("a <noun> <verb> alone", "owl", "hoots", "a dog barks while an owl hoots"),
        (
            "a <noun> <verb> alone on the left",
            "scissors",
            "are cutting",
            "a dog barks on the left while scissors are cutting",
        ),
        ("a dog barks alone", "owl", "hoots", "a dog barks alone"),
    ],
)
def test_another_thing_is_filled_in(sentence: str, other: str, does: str, expected: str) -> None:
    found = filled(sentence, noun="dog", verb="barks", other=other, other_verb=does)

    assert found == expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (OPEN, "a small dog barks on the left"),
        ("a <noun> <verb> together with a <other>", "a dog barks"),
        ("a dog sleeps while a cat purrs", "a dog sleeps while a cat purrs"),
        ("a <noun> <verb> while it rains", "a dog barks while it rains"),
        ("a <other> <does>", "something sounds"),
    ],
)
def test_without_another_thing_its_clause_is_left_out(sentence: str, expected: str) -> None:
    assert filled(sentence, noun="dog", verb="barks") == expected


def test_open_places_are_one_token_each() -> None:
    tokenizer = Tokenizer.learn([OPEN])

    ids = tokenizer.encode(OPEN)

    assert len(ids) == len(OPEN.split()) + 1
    assert tokenizer.decode(ids) == OPEN


@pytest.mark.parametrize(
    ("category", "other", "expected"),
    [
        (0, 2, "a small bell rings on the left while an engine idles"),
        (2, None, "a small engine idles on the left"),
        (None, 0, "something small sounds on the left while a bell rings"),
    ],
)
def test_the_words_are_those_of_the_categories(
    category: int | None, other: int | None, expected: str
) -> None:
    wording = Wording(FakeEngine().facts.manifest)

    assert wording.filled(OPEN, category, other) == expected


def test_without_words_a_category_is_called_by_its_name_and_sounds() -> None:
    changes = {"nouns": (), "verbs": (), "categories": ("fire_engine",)}
    wording = Wording(FakeEngine().facts.manifest.model_copy(update=changes))

    assert wording.filled("a <noun> <verb>", 0, None) == "a fire engine sounds"
