"""The language of composed scenes: generates a sentence from facts, and parses it back.

    a [small|large] [colour] NOUN VERB [alone] WHERE [moving DIRECTION]
        [while a NOUN VERB | together with a NOUN]

Every set of facts has one sentence, so that the language can be learnt and checked exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Literal, Protocol, cast, get_args

from ssuformer.sentences import SOMETHING, named

Size = Literal["small", "large"]
Colour = Literal[
    "black", "white", "grey", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown"
]
Where = Literal[
    "at the top left",
    "at the top",
    "at the top right",
    "on the left",
    "in the middle",
    "on the right",
    "at the bottom left",
    "at the bottom",
    "at the bottom right",
]
Direction = Literal["left", "right", "up", "down"]

SIZES: tuple[Size, ...] = get_args(Size)
COLOURS: tuple[Colour, ...] = get_args(Colour)
WHERES: tuple[Where, ...] = get_args(Where)
DIRECTIONS: dict[Direction, str] = {
    "left": "moving to the left",
    "right": "moving to the right",
    "up": "moving up",
    "down": "moving down",
}


class Category(Protocol):
    """Properties of a category that the language needs."""

    @property
    def name(self) -> str:
        """Its name in ground truth and predictions."""

    @property
    def noun(self) -> str:
        """Its noun: "fire engine"."""

    @property
    def verb(self) -> str:
        """Its verb: "wails"."""

    @property
    def profile(self) -> str:
        """`music` or `lifescene`."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts stated by a sentence about a source."""

    category: str
    where: Where
    company: str | None = None
    """The category of another source at the same time; None if it sounds alone."""
    size: Size | None = None
    colour: Colour | None = None
    direction: Direction | None = None


class Grammar:
    """The sentences about a list of categories."""

    def __init__(self, categories: Sequence[Category]) -> None:
        self.categories: Mapping[str, Category] = {c.name: c for c in categories}
        self._by_clause = {f"{c.noun} {c.verb}": c.name for c in categories}
        self._by_noun = {c.noun: c.name for c in categories}
        self._sentence = re.compile(
            rf"(?:an? )?(?:(?P<size>{_any(SIZES)}) )?(?:(?P<colour>{_any(COLOURS)}) )?"
            rf"(?P<clause>{_any(self._by_clause)})(?P<alone> alone)? (?P<where>{_any(WHERES)})"
            rf"(?: (?P<motion>{_any(DIRECTIONS.values())}))?"
            rf"(?: while (?:an? )?(?P<other>{_any(self._by_clause)})"
            rf"| together with (?:an? )?(?P<partner>{_any(self._by_noun)}))?"
        )

    def say(self, facts: Facts) -> str:
        """Return the sentence of these facts."""
        who = self.categories[facts.category]
        adjectives = (word for word in (facts.size, facts.colour) if word)
        words = [named(who.noun, who.verb, *adjectives), who.verb]
        if facts.company is None:
            words.append("alone")
        words.append(facts.where)
        if facts.direction is not None:
            words.append(DIRECTIONS[facts.direction])
        if facts.company is not None:
            other = self.categories[facts.company]
            duet = who.profile == other.profile == "music"
            words.append(
                f"together with {named(other.noun, other.verb)}"
                if duet
                else f"while {named(other.noun, other.verb)} {other.verb}"
            )
        return " ".join(words)

    def facts(self, sentence: str) -> Facts | None:
        """Return the facts of a sentence, or None if it does not match the grammar."""
        # The adjectives of `something` follow it; the pattern has them in front.
        match = self._sentence.fullmatch(_SOMETHING.sub(_adjectives_first, sentence))
        if match is None:
            return None
        other, partner = match["other"], match["partner"]
        company = self._by_clause.get(other) if other else self._by_noun.get(partner)
        found = Facts(
            category=self._by_clause[match["clause"]],
            where=cast(Where, match["where"]),
            company=company,
            size=cast("Size | None", match["size"]),
            colour=cast("Colour | None", match["colour"]),
            direction=next((d for d, text in DIRECTIONS.items() if text == match["motion"]), None),
        )
        return found if self.say(found) == sentence else None

    def sentences(self) -> Iterator[str]:
        """Yield sentences in which every word of the language occurs."""
        names = sorted(self.categories)
        places, colours = cycle(WHERES), cycle((*COLOURS, None))
        sizes, directions = cycle((*SIZES, None)), cycle((*DIRECTIONS, None, None))
        for number, name in enumerate(names):
            others = islice(cycle(names), number + 1, number + 1 + 2 * len(COLOURS))
            for company in (None, *(other for other in others if other != name)):
                yield self.say(
                    Facts(name, next(places), company, next(sizes), next(colours), next(directions))
                )


def sentences_of_grammar(categories: Sequence[Category]) -> Iterator[str]:
    """Yield sentences about these categories in which every word of the language occurs."""
    return Grammar(categories).sentences()


def facts(sentence: str, categories: Sequence[Category]) -> Facts | None:
    """Return the facts of a sentence about these categories, or None; see `Grammar.facts`."""
    return Grammar(categories).facts(sentence)


def _any(words: Iterable[str]) -> str:
    """Return a pattern that matches any of the words, the longest first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_ADJECTIVE = _any((*SIZES, *COLOURS))
_SOMETHING = re.compile(rf"^{SOMETHING} ({_ADJECTIVE})(?: and ({_ADJECTIVE}))?(?= )")


def _adjectives_first(found: re.Match[str]) -> str:
    return " ".join((*filter(None, found.groups()), SOMETHING))
