"""Is what a sentence says true? Facts are read elsewhere; here they are only compared.

A sentence's facts are any mapping of fact name -> value, where None or absence means that the
sentence does not tell it: `{"category": "dog", "where": "left", "colour": None}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from training.metrics.counts import Mean

CATEGORY = "category"
"""The name of the fact that says which thing sounds."""

ATTRIBUTES = ("where", "colour", "size", "company")
"""The names of the facts that tell more of it."""


class FactAccumulator:
    """The accuracy of every fact, over the sentence pairs whose true sentence tells it."""

    def __init__(self, names: Iterable[str] = ATTRIBUTES) -> None:
        self._facts = {name: Mean() for name in names}

    def add(self, said: Mapping[str, object], true: Mapping[str, object]) -> None:
        """Take the facts of what was said and of what is true; an untold true fact is left out."""
        for name, accuracy in self._facts.items():
            if true.get(name) is not None:
                accuracy.add(said.get(name) == true[name])

    def accuracies(self) -> dict[str, float]:
        """Return the share of right answers for every fact; 0 where none was told."""
        return {name: accuracy.value for name, accuracy in self._facts.items()}

    def counts(self) -> dict[str, int]:
        """Return how often every fact was told."""
        return {name: accuracy.count for name, accuracy in self._facts.items()}
