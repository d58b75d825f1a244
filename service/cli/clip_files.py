"""The clips that are meant by files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.cli.terminal import FileUnreadable

SUFFIXES = frozenset((
    ".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mts", ".ogv", ".ts", ".webm",
))  # fmt: skip
"""What clips end in, where a folder is searched; a file that is named may end in anything."""

DRAWN = ".overlay.mp4"
"""Films that this command line has written; they are not searched for."""


def is_clip(path: Path) -> bool:
    """Return whether a file of a folder is to be taken for a clip, by its name."""
    hidden = path.name.startswith(".")
    return path.suffix.lower() in SUFFIXES and not hidden and not path.name.endswith(DRAWN)


def clip_files(named: Iterable[Path]) -> list[Path]:
    """Return the files, those in the folders, and those that match the patterns, each once.

    Raises FileUnreadable for a name that leads to none.
    """
    found: dict[Path, None] = {}
    for path in named:
        files = list(_files(path))
        if not files:
            reason = "no clip is in this folder" if path.is_dir() else "there is no such file"
            raise FileUnreadable(f"{path}: {reason}")
        found.update(dict.fromkeys(files))
    return list(found)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file() and is_clip(file))
    elif path.exists():
        yield path
    else:
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
        yield from (match for match in matches if match.is_file())
