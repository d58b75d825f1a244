"""The categories of films are distinct, can be spoken of, and take in those of the pack."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from training.categories import CATEGORIES, Kind, film_category
from training.packs.categories import CATEGORIES as PACK
from training.scene import Profile
from training.scenes.grammar import Facts, Grammar

NAMES = {category.name for category in CATEGORIES}


def test_names_and_clauses_are_unique_and_something_is_last() -> None:
    names = Counter(category.name for category in CATEGORIES)
    clauses = Counter((category.noun, category.verb) for category in CATEGORIES)

    assert max(names.values()) == max(clauses.values()) == 1
    assert CATEGORIES[-1].name == "something"


def test_kinds_and_profiles_are_known() -> None:
    assert {category.kind for category in CATEGORIES} == set(get_args(Kind))
    assert {category.profile for category in CATEGORIES} == set(get_args(Profile))


def test_no_class_of_sound_or_picture_stands_for_two_categories() -> None:
    heard = Counter(name for category in CATEGORIES for name in category.heard)
    seen = Counter(n for c in CATEGORIES if c.kind not in ("person", "instrument") for n in c.seen)

    assert max(heard.values()) == max(seen.values()) == 1
    assert all(category.heard for category in CATEGORIES[:-1])
    assert all(0 <= n < 1000 for category in CATEGORIES for n in category.seen)


def test_a_sentence_about_any_two_categories_is_understood() -> None:
    grammar = Grammar(CATEGORIES)
    pairs = [(a, b) for a in NAMES for b in NAMES if a != b]

    for name, company in pairs:
        told = Facts(name, "on the left", company, size="small", colour="brown")
        assert grammar.facts(grammar.say(told)) == told


def test_every_category_of_the_pack_is_here_or_is_known_to_have_no_name_here() -> None:
    nameless = {category.name for category in PACK if film_category(category.name) == "something"}

    assert all(film_category(category.name) in NAMES for category in PACK)
    assert nameless == {
        "bear", "carousel", "church", "dolphin", "donkey", "elephant", "flying_saucer",
        "game_controller", "heart", "loudspeaker", "microphone", "monkey", "robot", "rocket",
        "seal", "tractor",
    }  # fmt: skip


def test_categories_of_the_pack_take_the_names_of_films() -> None:
    assert film_category("baby") == "baby"
    assert film_category("keyboard") == "typing"
    assert film_category("hands") == "person_clapping"
