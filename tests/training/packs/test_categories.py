"""The table of categories can be spoken of, seen and heard without confusion."""

from __future__ import annotations

from collections import Counter

from training.packs.categories import CATEGORIES


def test_names_and_nouns_are_unique() -> None:
    names = Counter(category.name for category in CATEGORIES)
    nouns = Counter(category.noun for category in CATEGORIES)

    assert max(names.values()) == max(nouns.values()) == 1


def test_there_are_enough_categories_of_both_profiles() -> None:
    profiles = Counter(category.profile for category in CATEGORIES)

    assert len(CATEGORIES) >= 44
    assert profiles["music"] >= 16
    assert profiles["lifescene"] >= 28


def test_every_category_has_words_looks_and_sounds() -> None:
    for category in CATEGORIES:
        assert category.name == category.name.lower().replace(" ", "_")
        assert 1 <= len(category.verb.split()) <= 3
        assert category.emoji
        assert category.sounds
        assert all(int(point, 16) for code in category.emoji for point in code.split("-"))


def test_no_emoji_stands_for_two_categories() -> None:
    uses = Counter(code for category in CATEGORIES for code in category.emoji)

    assert max(uses.values()) == 1
