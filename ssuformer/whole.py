"""Files and folders that are written as a whole or not at all, wherever a process is killed.

They are written under another name beside their own, brought to the disk, and then renamed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PART, OLD = ".part", ".old"
"""Endings of what is being written, and of a folder that is being replaced."""


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a name to write to; what is there at the end of the block becomes `path`.

    After an error nothing is left of it, and `path` is as it was.
    """
    part = path.with_name(path.name + PART)
    try:
        yield part
        _to_disk(part)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _to_disk(path.parent)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder; it becomes `folder` at the end of the block.

    After an error nothing is left of it, and `folder` is as it was. A process that is killed
    between two renamings leaves the old folder under another name: `settle` brings it back.
    """
    settle(folder)
    part = folder.with_name(folder.name + PART)
    old = folder.with_name(folder.name + OLD)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        for path in [*part.iterdir(), part]:
            _to_disk(path)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        settle(folder)
        raise
    _to_disk(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def settle(folder: Path) -> None:
    """Bring back the folder that `whole_folder` was replacing when its process was killed."""
    old = folder.with_name(folder.name + OLD)
    if not old.exists():
        return
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.rename(folder)


def _to_disk(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
