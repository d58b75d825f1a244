"""The files of jobs in a folder: one for each."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from service.http.upload import storing
from service.jobs.files import FilesGone

_PART = ".part"


class JobFolder:
    """Files below a folder that all gateways of a store see."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def start(self) -> None:
        """Make the folder that holds all others."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def add(self, job: str) -> None:
        """Make room for the files of a new job."""
        with storing():
            (self._root / job).mkdir(mode=0o700)

    def holds(self, job: str, name: str) -> bool:
        """Return whether there is such a file."""
        return self._path(job, name).exists()

    @contextmanager
    def opened(self, job: str, name: str) -> Iterator[IO[bytes]]:
        """Yield a file that is open for reading."""
        try:
            file = self._path(job, name).open("rb")
        except FileNotFoundError as error:
            raise FilesGone(job) from error
        with file:
            yield file

    @contextmanager
    def writing(self, job: str, name: str) -> Iterator[IO[bytes]]:
        """Yield a file that will have this name once the block is left without an error."""
        path = self._path(job, name)
        part = path.with_name(name + _PART)
        with storing():
            try:
                with part.open("wb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            except FileNotFoundError as error:
                raise FilesGone(job) from error
            finally:
                part.unlink(missing_ok=True)

    def remove(self, job: str, name: str) -> None:
        """Remove a file, if it is there."""
        self._path(job, name).unlink(missing_ok=True)

    def remove_all(self, job: str) -> None:
        """Remove all files of a job."""
        shutil.rmtree(self._root / job, ignore_errors=True)

    def older_than(self, seconds: float) -> list[str]:
        """Return the jobs whose folders were made or changed longer ago."""
        latest = time.time() - seconds
        found = []
        with os.scandir(self._root) as entries:
            for entry in entries:
                try:
                    if entry.is_dir() and entry.stat().st_mtime < latest:
                        found.append(entry.name)
                except FileNotFoundError:
                    continue
        return found

    def _path(self, job: str, name: str) -> Path:
        return self._root / job / name
