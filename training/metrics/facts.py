"""Accuracy of the facts stated in sentences; this module compares facts, it does not parse.

A sentence's facts are any mapping of fact name -> value, where None or absence means that the
does not state it: `{"category": "dog", "where": "left", "colour": None}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from training.metrics.counts import Mean

CATEGORY = "category"
"""The name of the fact for the category of the source."""

ATTRIBUTES = ("where", "colour", "size", "company")
"""The names of the other facts."""


class FactAccumulator:
    """The accuracy of every fact, over the sentence pairs whose true sentence states it."""

    def __init__(self, names: Iterable[str] = ATTRIBUTES) -> None:
        self._facts = {name: Mean() for name in names}

    def add(self, said: Mapping[str, object], true: Mapping[str, object]) -> None:
        """Add the facts of a predicted and a true sentence; only facts in the true one count."""
        for name, accuracy in self._facts.items():
            if true.get(name) is not None:
                accuracy.add(said.get(name) == true[name])

    def accuracies(self) -> dict[str, float]:
        """Return the share of correct values for every fact; 0 if it was never stated."""
        return {name: accuracy.value for name, accuracy in self._facts.items()}

    def counts(self) -> dict[str, int]:
        """Return how often every fact was stated."""
        return {name: accuracy.count for name, accuracy in self._facts.items()}
