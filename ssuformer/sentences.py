"""Words of sentences: articles, names in open places, and what is said of unseen sounds.

A caption may leave open what it is about: `<noun> <verb>` is the region's own thing, `<other>
<does>` another one that is heard. So a sentence never names anything but the region's category.
"""

from __future__ import annotations

import re

from ssuformer.manifest import Manifest

SOMETHING = "something"
"""What sounds but cannot be named; it takes no article."""

SOUNDS = "sounds"
"""What a thing does whose verb is not known."""

_AN = re.compile(r"(?!eu|uk|uni(?!n)|use|one\b)[aeiou]|hour|honest")
_COMPANY = re.compile(r" (?:while|together with) (?=.*<(?:other|does)>).*")
_ALONE = re.compile(r" alone\b")
_OUT_OF_SIGHT = "out of sight"


def with_article(noun: str) -> str:
    """Return a noun with "a" or "an" in front, by pronunciation."""
    return f"{'an' if _AN.match(noun) else 'a'} {noun}"


def named(noun: str, verb: str, *adjectives: str) -> str:
    """Return a noun with its adjectives and its article: "a small red dog".

    A plural, which is a noun whose verb begins with "are", has no article, and neither has
    `something`, whose adjectives follow: "something small and red".
    """
    if noun == SOMETHING:
        return " ".join(part for part in (noun, " and ".join(adjectives)) if part)
    phrase = " ".join((*adjectives, noun))
    return phrase if verb.startswith("are ") else with_article(phrase)


def heard_clause(description: str) -> str:
    """Return the short form of what `out_of_sight` says: "dog barks"."""
    clause = description.removesuffix(_OUT_OF_SIGHT).rstrip(", ")
    return re.sub(r"^an? ", "", clause)


def filled(
    sentence: str,
    *,
    noun: str,
    verb: str,
    other: str | None = None,
    other_verb: str = SOUNDS,
    alone: bool = True,
) -> str:
    """Return a sentence with its open places filled and their articles set.

    Without another thing the clause about it, from "while" or "together with" on, is left out;
    with one, or if it is not `alone`, nothing is said to sound alone. A sentence without open
    places is returned as it is.
    """
    said_alone = "<noun>" in sentence and _ALONE.search(sentence) is not None
    if said_alone and (other is not None or not alone):
        sentence = _ALONE.sub("", sentence)
    if other is None:
        sentence = _COMPANY.sub("", sentence)
    elif said_alone:
        sentence += " while a <other> <does>"
    sentence = _fill(sentence, "<noun>", noun, verb)
    sentence = _fill(sentence, "<other>", other or SOMETHING, other_verb)
    return sentence.replace("<verb>", verb).replace("<does>", other_verb)


def _fill(sentence: str, place: str, noun: str, verb: str) -> str:
    """Fill a place and set the article of the words before it: "a small <noun>" is one phrase."""
    phrase = re.compile(rf"\ban? ((?:(?!an? |while |with |<)\S+ )*){place}")
    with_articles = phrase.sub(lambda found: named(noun, verb, *found[1].split()), sentence)
    return with_articles.replace(place, noun)


class Wording:
    """How the categories of a set of weights are spoken of."""

    def __init__(self, manifest: Manifest) -> None:
        self._categories = manifest.categories
        self._nouns, self._verbs = manifest.nouns, manifest.verbs
        number = {name: k for k, name in enumerate(manifest.categories)}
        self.generic = {number[kind]: number[name] for kind, name in manifest.generic.items()}
        """Category -> the category that it is a kind of, by number."""

    def out_of_sight(self, category: int) -> str:
        """Return the sentence of a category that is heard but not seen."""
        noun, verb = self.words(category)
        if not self._verbs:
            return f"{noun}, {_OUT_OF_SIGHT}"
        return f"{named(noun, verb)} {verb} {_OUT_OF_SIGHT}"

    def filled(
        self, sentence: str, category: int | None, other: int | None, *, alone: bool = True
    ) -> str:
        """Return the sentence of a region with its open places filled.

        `category` is None if the region cannot be named, `other` if nothing else is heard.
        """
        noun, verb = self.words(category)
        if other is None:
            return filled(sentence, noun=noun, verb=verb, alone=alone)
        other_noun, other_verb = self.words(other)
        return filled(sentence, noun=noun, verb=verb, other=other_noun, other_verb=other_verb)

    def words(self, category: int | None) -> tuple[str, str]:
        """Return the noun and the verb of a category; None is what cannot be named."""
        if category is None:
            return SOMETHING, SOUNDS
        if not self._nouns:
            return self._categories[category].replace("_", " "), SOUNDS
        return self._nouns[category], self._verbs[category]
