"""All formats of the answer, by name and by media type.

A module `as_NAME.py` of this package that holds a `FORMAT` is a format; nothing else lists it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path

from service.formats.format import Format
from ssuformer.errors import NotAcceptable, OptionError

_PREFIX = "as_"
DEFAULT = "json"


def _names() -> tuple[str, ...]:
    found = Path(__file__).parent.glob(f"{_PREFIX}*.py")
    names = [path.stem.removeprefix(_PREFIX).replace("_", "-") for path in found]
    return tuple(sorted(names, key=lambda name: (name != DEFAULT, name)))


NAMES: tuple[str, ...] = _names()
"""The default first, then by name."""


@cache
def named(name: str) -> Format:
    """Return the format of this name; OptionError, with all names, if there is none."""
    if name not in NAMES:
        raise OptionError(f"format: {name!r} is none of {', '.join(NAMES)}", actual=name)
    module = import_module(f"{__package__}.{_PREFIX}{name.replace('-', '_')}")
    return replace(module.FORMAT, name=name)


def every() -> Iterator[Format]:
    """Yield all formats, the default first."""
    return map(named, NAMES)


def accepted(header: str) -> Format:
    """Return the format that an `Accept` header prefers; NotAcceptable, with all types, if none.

    Of equally good ones the one named first in the header, then the first by name; the default
    for an empty header.
    """
    ranges = [wanted for wanted in map(_Range, header.split(",")) if wanted.pattern]
    if not ranges:
        return named(DEFAULT)
    graded = [(_quality(ranges, one.media_type), one) for one in every()]
    (quality, _), best = max(graded, key=lambda pair: pair[0])
    if quality <= 0:
        types = ", ".join(one.media_type for one in every())
        raise NotAcceptable(f"no answer is {header[:200]}; there are {types}", limit=types)
    return best


class _Range:
    """An entry of an `Accept` header."""

    def __init__(self, entry: str) -> None:
        """Read an entry; a quality that cannot be read is 1, and a `charset` is ignored."""
        self.pattern, parameters = _parts(entry)
        quality = parameters.pop("q", "1")
        parameters.pop("charset", None)
        self.parameters = parameters.items()
        try:
            self.quality = min(1.0, max(0.0, float(quality)))
        except ValueError:
            self.quality = 1.0

    def precision(self, media_type: str) -> int:
        """Return how precisely this entry names a type: more for itself than for `*/*`, 0 not."""
        pattern, parameters = _parts(media_type)
        if self.pattern == pattern and self.parameters <= parameters.items():
            return 3 + len(self.parameters)
        if self.pattern == f"{pattern.partition('/')[0]}/*":
            return 2
        return int(self.pattern == "*/*")


def _parts(media_type: str) -> tuple[str, dict[str, str]]:
    pattern, *parameters = (part.strip().lower() for part in media_type.split(";"))
    pairs = (parameter.partition("=") for parameter in parameters)
    return pattern, {key.strip(): value.strip() for key, _, value in pairs}


def _quality(ranges: list[_Range], media_type: str) -> tuple[float, int]:
    """Return the quality that the most precise entry gives a type, and minus its position."""
    fits = [(wanted.precision(media_type), -i, wanted) for i, wanted in enumerate(ranges)]
    precision, position, wanted = max(fits, key=lambda fit: fit[:2])
    return (wanted.quality, position) if precision else (0.0, position)


def describe() -> str:
    """Return a description of every format, in one sentence, and how they are chosen."""
    told = [f"`{one.name}` ({one.media_type}): {one.summary}" for one in every()]
    return "; ".join(told) + ". Without it, the header `Accept` chooses by media type."
