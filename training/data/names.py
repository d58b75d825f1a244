"""The names that data sets have for what sounds, in the names of this project."""

from __future__ import annotations

from collections.abc import Sequence

from training.categories import CATEGORIES, PEOPLE, SOMETHING, Kind, film_category

_ANYONE = " ".join(
    category.name for category in PEOPLE if category.name.startswith("person_")
) + " child_speaking"  # fmt: skip

_ELSEWHERE = {
    # AVSBench, single source
    "ambulance_siren": "ambulance",
    "baby_laughter": "baby_laughing",
    "cap_gun_shooting": "gun",
    "cat_meowing": "cat",
    "chainsawing_trees": "chainsaw",
    "coyote_howling": "wolf",
    "dog_barking": "dog",
    "driving_buses": "bus",
    "female_singing": "person_singing",
    "horse_clip_clop": "horse",
    "lawn_mowing": "lawn_mower",
    "lions_roaring": "lion",
    "male_speech": "person_speaking",
    "mynah_bird_singing": "bird",
    "playing_acoustic_guitar": "acoustic_guitar",
    "playing_glockenspiel": "glockenspiel",
    "playing_piano": "piano",
    "playing_tabla": "tabla",
    "playing_ukulele": "ukulele",
    "playing_violin": "violin",
    "race_car": "racing_car",
    "typing_on_computer_keyboard": "typing",
    # AVSBench, semantic
    "bassoon": "woodwind",
    "boy": _ANYONE,
    "clipper": "scissors",
    "emergency_car": "ambulance police_car fire_engine",
    "erhu": "bowed_string",
    "frying_food": "frying_pan",
    "girl": _ANYONE,
    "guitar": "acoustic_guitar electric_guitar bass_guitar",
    "guzheng": "plucked_string",
    "hen": "chicken",
    "leopard": "lion",
    "man": _ANYONE,
    "marimba": "xylophone",
    "mower": "lawn_mower",
    "pipa": "plucked_string",
    "sitar": "plucked_string",
    "suona": "woodwind",
    "tiger": "lion",
    "tuba": "brass",
    "woman": _ANYONE,
    # words of people who label
    "drum_kit": "drum",
    "drummer": _ANYONE,
    "man_speaking": "person_speaking",
    "man_singing": "person_singing",
    "person": _ANYONE,
    "woman_speaking": "person_speaking",
    "woman_singing": "person_singing",
}

_KINDS: dict[str, Kind] = {category.name: category.kind for category in CATEGORIES}


def film_names(name: str) -> tuple[str, ...]:
    """Return the film categories that a data set's name may mean, the likeliest first."""
    word = name.lower().replace("-", "_").replace(" ", "_")
    names = _ELSEWHERE.get(word, film_category(word)).split()
    return tuple(name for name in names if name != SOMETHING.name)


def model_names(name: str, categories: Sequence[str]) -> tuple[str, ...]:
    """Return the categories of a model that are right for a data set's name, the likeliest first.

    The same name alone if the model has it; else those of the same film categories; maybe none.
    """
    if name in categories:
        return (name,)
    return tuple(
        category
        for film in film_names(name)
        for category in categories
        if film_category(category) == film
    )


def name_for(name: str, categories: Sequence[str]) -> str:
    """Return the likeliest category of a model for a data set's name, `something` if it has none.

    A model without a category `something` is told the name as it is.
    """
    right = (*model_names(name, categories), SOMETHING.name)
    return next((category for category in right if category in categories), name)


def knows_films(categories: Sequence[str]) -> bool:
    """Return whether a model's categories are those of films: no pack has one for `something`."""
    return SOMETHING.name in categories


def kind_of(name: str) -> Kind:
    """Return the kind of a category of a data set or of a model."""
    kinds = (_KINDS[film] for film in film_names(name))
    return next(kinds, SOMETHING.kind)
