"""Words of sentences: articles, and what is said of a sound that is not seen."""

from __future__ import annotations

import re

from ssuformer.manifest import Manifest

SOMETHING = "something"
"""What sounds but cannot be named; it takes no article."""

SOUNDS = "sounds"
"""What a thing does whose verb is not known."""

_AN = re.compile(r"(?!eu|uk|uni(?!n)|use|one\b)[aeiou]|hour|honest")
_OUT_OF_SIGHT = "out of sight"


def with_article(noun: str) -> str:
    """Return a noun with "a" or "an" in front, by pronunciation."""
    return f"{'an' if _AN.match(noun) else 'a'} {noun}"


def named(noun: str, verb: str) -> str:
    """Return a noun, or adjectives and a noun, with its article; plurals and `something` have none.

    A noun is a plural if its verb begins with "are".
    """
    return noun if noun == SOMETHING or verb.startswith("are ") else with_article(noun)


def heard_clause(description: str) -> str:
    """Return the short form of what `out_of_sight` says: "dog barks"."""
    clause = description.removesuffix(_OUT_OF_SIGHT).rstrip(", ")
    return re.sub(r"^an? ", "", clause)


class Wording:
    """How the categories of a set of weights are spoken of."""

    def __init__(self, manifest: Manifest) -> None:
        self._categories = manifest.categories
        self._nouns, self._verbs = manifest.nouns, manifest.verbs

    def out_of_sight(self, category: int) -> str:
        """Return the sentence of a category that is heard but not seen."""
        if not self._nouns:
            return f"{self._categories[category]}, {_OUT_OF_SIGHT}"
        noun, verb = self._nouns[category], self._verbs[category]
        return f"{named(noun, verb)} {verb} {_OUT_OF_SIGHT}"
