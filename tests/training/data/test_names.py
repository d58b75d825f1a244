"""Names of data sets lead to the categories of a model."""

from __future__ import annotations

import pytest

from training.categories import CATEGORIES
from training.data.names import film_names, kind_of, knows_films, model_names, name_for
from training.packs.categories import CATEGORIES as COLLECTED

FILM = tuple(category.name for category in CATEGORIES)
S4 = (
    "ambulance_siren",
    "baby_laughter",
    "cap_gun_shooting",
    "cat_meowing",
    "chainsawing_trees",
    "coyote_howling",
    "dog_barking",
    "driving_buses",
    "female_singing",
    "helicopter",
    "horse_clip-clop",
    "lawn_mowing",
    "lions_roaring",
    "male_speech",
    "mynah_bird_singing",
    "playing_acoustic_guitar",
    "playing_glockenspiel",
    "playing_piano",
    "playing_tabla",
    "playing_ukulele",
    "playing_violin",
    "race_car",
    "typing_on_computer_keyboard",
)


@pytest.mark.parametrize("name", S4)
def test_every_class_of_s4_is_a_film_category(name: str) -> None:
    assert set(film_names(name)) <= set(FILM)
    assert film_names(name)


def test_a_models_own_name_is_the_only_right_one() -> None:
    assert model_names("conga", ("drum", "conga")) == ("conga",)
    assert model_names("drum kit", ("drum", "conga")) == ("drum", "conga")
    assert model_names("tractor", FILM) == ()


def test_kinds_are_known_for_labels_models_and_film_categories() -> None:
    names = ("man speaking", "hands", "person_singing", "acoustic guitar", "dog", "tractor")

    kinds = [kind_of(name) for name in names]

    assert kinds == ["person", "person", "person", "instrument", "animal", "unknown"]


def test_a_model_calls_a_name_by_the_likeliest_category_or_something() -> None:
    names = ("conga", "man", "tractor", "something")

    assert [name_for(name, FILM) for name in names] == [
        "drum", "person_speaking", "something", "something",
    ]  # fmt: skip
    assert [name_for(name, ("drum",)) for name in names] == ["drum", "man", "tractor", "something"]


def test_only_models_of_films_have_a_category_for_something() -> None:
    assert knows_films(FILM)
    assert not knows_films([category.name for category in COLLECTED])
