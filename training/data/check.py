"""Check a folder of filmed clips: every fault, with the file it is in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ssuformer.clip import ClipReader
from ssuformer.errors import ClipError, ConfigError
from training.data.filmed import Films
from training.data.layout import (
    CLIPS,
    Layout,
    LayoutEntry,
    MaskFiles,
    Thing,
    Truth,
    unknown_categories,
)

AT_ONCE = 32
"""Frames decoded at once."""


class Checker:
    """Checks clip after clip of a folder, and what must hold between them."""

    def __init__(self, films: Films[Any]) -> None:
        self._films = films
        self._clips: dict[str, LayoutEntry] = {}
        self._recordings: dict[str, LayoutEntry] = {}
        self._contents: dict[bytes, LayoutEntry] = {}

    def faults(self) -> Iterator[list[str]]:
        """Yield the faults of each clip, in one line each; an empty list if it has none."""
        for entry in self._films.entries:
            if isinstance(self._films, Layout):
                yield list(self._of_layout(self._films, entry))
            else:
                yield list(_unreadable(self._films, entry))

    def _of_layout(self, data: Layout, entry: LayoutEntry) -> Iterator[str]:
        yield from self._overlaps(data, entry)
        path = data.folder / entry.name
        try:
            truth = data.truth(entry)
        except ConfigError as error:
            yield error.message
            return
        if truth.split not in (None, entry.split):
            yield f"{path}: split is {truth.split!r}, {CLIPS}:{entry.line} says {entry.split!r}"
        film = path.parent / truth.film
        if film.is_file():
            yield from self._same_film(film, entry)
        yield from _film_faults(film, truth)
        yield from _truth_faults(path, truth, data)

    def _overlaps(self, data: Layout, entry: LayoutEntry) -> Iterator[str]:
        here = f"{data.folder / CLIPS}:{entry.line}"
        other = self._clips.setdefault(entry.name, entry)
        if other is not entry:
            yield f"{here}: {entry.name} is listed in line {other.line}, too"
        other = self._recordings.setdefault(entry.recording, entry)
        if entry.recording and other.split != entry.split:
            yield (
                f"{here}: recording {entry.recording!r} is in split {entry.split!r}, "
                f"in line {other.line} in {other.split!r}"
            )

    def _same_film(self, film: Path, entry: LayoutEntry) -> Iterator[str]:
        with film.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        other = self._contents.setdefault(digest, entry)
        if other.split != entry.split:
            yield (
                f"{film}: the same film is in split {entry.split!r}, "
                f"and with {other.name} in {other.split!r}"
            )


def _unreadable(films: Films[Any], entry: Any) -> Iterator[str]:  # noqa: ANN401
    try:
        films.read(entry)
    except ConfigError as error:
        yield error.message


def _film_faults(film: Path, truth: Truth) -> Iterator[str]:
    try:
        with ClipReader(film) as reader:
            seconds = sum(len(chunk.frames) for chunk in reader.chunks(AT_ONCE))
            info = reader.info
    except OSError as error:
        yield f"{film}: {error.strerror}"
        return
    except ClipError as error:
        yield f"{film}: {error.message}"
        return
    if not info.has_audio:
        yield f"{film} has no sound"
    if (info.width, info.height) != (truth.width, truth.height):
        yield (f"{film} is {info.width}x{info.height}, its truth says {truth.width}x{truth.height}")
    if seconds < truth.seconds:
        yield f"{film} has {seconds} seconds, its truth says {truth.seconds}"


def _truth_faults(path: Path, truth: Truth, data: Layout) -> Iterator[str]:
    yield from (f"{path}: {fault}" for fault in unknown_categories(truth, data.info))
    masks = MaskFiles(path, truth)
    for number, thing in enumerate(truth.sources):
        yield from _thing_faults(path, truth, number, thing, masks)
    for second in truth.unlabelled:
        if second >= truth.seconds:
            yield f"{path}: unlabelled: the clip has no second {second}"


def _thing_faults(
    path: Path, truth: Truth, number: int, thing: Thing, masks: MaskFiles
) -> Iterator[str]:
    seen: set[int] = set()
    for second in thing.seconds:
        where = f"{path}: sources.{number}, second {second.second}"
        if second.second in seen:
            yield f"{where} is told twice"
        seen.add(second.second)
        if second.second >= truth.seconds:
            yield f"{where}: the clip has {truth.seconds} labelled seconds"
            continue
        if second.sounding and not second.sentence.strip():
            yield f"{where}: it sounds and has no sentence"
        try:
            masks.mask(number, second)
        except ConfigError as error:
            yield error.message
