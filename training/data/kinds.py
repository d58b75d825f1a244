"""Recognise what a folder of filmed clips holds, and open it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssuformer.errors import ConfigError
from training.data.avsbench import AVSS, AVSS_LABELS, AVSS_LIST, MS3, MS3_LIST, S4, S4_LIST
from training.data.boxes import LABELS, Boxes
from training.data.filmed import Films
from training.data.layout import CLIPS, INFO, Layout
from training.data.shards import INDEX, Shards

KINDS: dict[tuple[str, ...], Callable[[Path], Films[Any]]] = {
    (INFO, CLIPS): Layout,
    (S4_LIST,): S4,
    (MS3_LIST,): MS3,
    (AVSS_LIST, AVSS_LABELS): AVSS,
    (LABELS,): Boxes,
    (INDEX,): Shards,
}
"""How to open a folder, by the files at its top."""


def open_films(folder: Path) -> Films[Any]:
    """Open a folder by what it holds; ConfigError that says what it could hold."""
    folder = folder.expanduser()
    for files, opened in KINDS.items():
        if all((folder / name).is_file() for name in files):
            return opened(folder)
    known = "; ".join(" and ".join(files) for files in KINDS)
    raise ConfigError(f"{folder} is no data set: it needs {known}", limit=known)


def parse_data(text: str) -> Films[Any]:
    """Open `DIR` or `DIR:split`; without a split, `test` if there is one, or else everything."""
    whole = Path(text).expanduser()
    folder, colon, split = (text, "", "") if whole.is_dir() else text.rpartition(":")
    if not colon:
        films = open_films(whole)
        return films.only("test") if "test" in films.splits else films
    return open_films(Path(folder)).only(split)


def recognised(films: Films[Any]) -> str:
    """Return in one line what a folder was recognised as, and which and how many of its clips."""
    split = films.splits[0] if len(films.splits) == 1 else "every split"
    return f"{films.folder}: {films.kind}, {split}, {len(films)} clips"
