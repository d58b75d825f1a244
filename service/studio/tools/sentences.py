"""Sentences proposed for a region: from templates of what is heard and seen, or by an endpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from service.studio.tools.endpoint import Endpoint
from service.studio.tools.prompt import Mask, Picture, box_of
from ssuformer.errors import ConfigError
from ssuformer.sentences import SOMETHING, SOUNDS, filled, named

MODEL = "model"
"""The name of the templates, whose words are the model's own."""

Words = Callable[[str], tuple[str, str]]
"""Category -> its noun and its verb: "fire engine", "wails"."""


class Describer(Protocol):
    """Proposes sentences."""

    name: str

    def sentences(
        self, picture: Picture, mask: Mask, category: str, heard: tuple[str, ...]
    ) -> list[str]:
        """Return sentences about the region of a mask, the likeliest first, at least one.

        `heard` are the other categories that sound then. EngineUnavailable if nobody answers,
        EngineError if the answer cannot be used.
        """
        ...


def plain_words(category: str) -> tuple[str, str]:
    """Return the noun and the verb of a category that nothing else is known of."""
    return category.replace("_", " "), SOUNDS


def describer(
    name: str, *, words: Words = plain_words, model: str = "", key: str | None = None
) -> Describer:
    """Return a describer: `model`, or the URL of an endpoint; ConfigError if it is neither.

    `words` speaks of categories; `model` and `key` are what the endpoint is asked with.
    """
    if name == MODEL:
        return Templates(words)
    if name.startswith(("http://", "https://")):
        return Endpoint(name, model=model, key=key)
    raise ConfigError(f"{name!r} writes no sentences: give model or the URL of an endpoint")


class Templates:
    """Sentences from templates: what it is, what it does, where it is, what else is heard."""

    name = MODEL

    def __init__(self, words: Words = plain_words) -> None:
        self._words = words

    def sentences(
        self, picture: Picture, mask: Mask, category: str, heard: tuple[str, ...]
    ) -> list[str]:
        """Return up to four sentences; of the picture only the place of the mask counts."""
        del picture
        noun, verb = self._words(category) if category else (SOMETHING, SOUNDS)
        others = [other for other in heard if other != category]
        other, does = self._words(others[0]) if others else (None, SOUNDS)
        place, size = _place(mask), _size(mask)
        patterns = [
            f"{named(noun, verb)} {verb} {place} while a <other> <does>",
            f"{named(noun, verb, *size)} {verb} {place}",
            f"{named(noun, verb)} {verb}",
            f"{named(noun, verb)} is seen {place}"
            if not verb.startswith("are ")
            else f"{noun} are seen {place}",
        ]
        written = [
            filled(one, noun=noun, verb=verb, other=other, other_verb=does) for one in patterns
        ]
        return list(dict.fromkeys(written))


def _place(mask: Mask) -> str:
    box = box_of(mask)
    if box is None:
        return "out of sight"
    middle = (box[0] + box[2] / 2) / mask.shape[1]
    if middle < 0.36:
        return "on the left"
    return "on the right" if middle > 0.64 else "in the middle"


def _size(mask: Mask) -> tuple[str, ...]:
    share = float(np.count_nonzero(mask)) / mask.size
    if share < 0.03:
        return ("small",)
    return ("large",) if share > 0.35 else ()
