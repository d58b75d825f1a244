"""Answers for the clips of a folder, as they arrive."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.progress import Progress

from service.cli.clip_files import is_clip
from service.cli.clip_report import ReportOptions, report
from service.cli.terminal import (
    FilesUnwritable,
    FileUnreadable,
    aside,
    complain,
    facts_of_error,
    print_json,
    progress,
)
from ssu.client import Client
from ssu.errors import ServiceError
from ssuformer import errors
from ssuformer.errors import SsuError
from ssuformer.terminal import console

_ANSWER, _ERROR = ".json", ".error.json"
_GRAIN = 2 * 10**9
"""Nanoseconds; some file systems keep times no finer."""

_PASSING = (
    FilesUnwritable, ServiceError, errors.EngineError, errors.Overloaded, errors.RateExceeded,
    errors.StorageFull,
)  # fmt: skip
"""Errors that are not the clip's: it is tried again."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """How a file was at a look."""

    size: int
    changed: int
    """Nanoseconds."""


@dataclass(slots=True)
class Watch:
    """A folder whose finished clips are answered once, each in files named after it.

    What has been answered or refused is told by those files, which get the time of their clip, so
    a watch that is started again goes on where it was.
    """

    folder: Path
    client: Client
    options: ReportOptions
    as_json: bool = False
    _before: dict[Path, _Seen] = field(default_factory=dict)
    """What the last look saw of files that were not finished."""

    def run(self, *, every: float, once: bool) -> bool:
        """Look every so many seconds, for ever or until nothing is left; return if all went well.

        A file is finished once it is the same at two looks. FileUnreadable if the folder goes away.
        """
        went_well = True
        with progress() as shown:
            while True:
                for path, seen in self._finished():
                    went_well = self._answer(path, seen, shown) and went_well
                if once and not self._before:
                    return went_well
                time.sleep(every)

    def _finished(self) -> Iterator[tuple[Path, _Seen]]:
        """Yield the finished files that have to be answered; remember the others."""
        before, self._before = self._before, {}
        for path in self._files():
            seen = _look_at(path)
            if seen is None or self._known(path, seen):
                continue
            if before.get(path) == seen:
                yield path, seen
            else:
                self._before[path] = seen

    def _files(self) -> list[Path]:
        try:
            return sorted(self.folder.iterdir())
        except OSError as error:
            raise FileUnreadable(f"{self.folder}: {error.strerror}") from error

    def _known(self, path: Path, seen: _Seen) -> bool:
        """Return whether there is an answer, or an error, to the file as it is."""
        told = (self._file(path, suffix) for suffix in (_ANSWER, _ERROR))
        return any(
            file.exists() and abs(file.stat().st_mtime_ns - seen.changed) < _GRAIN for file in told
        )

    def _file(self, path: Path, suffix: str) -> Path:
        return (self.options.folder or self.folder) / (path.name + suffix)

    def _answer(self, path: Path, seen: _Seen, shown: Progress) -> bool:
        """Answer a clip, or say and keep what is wrong with it; return whether it was answered."""
        try:
            try:
                report(path, path.name, client=self.client, options=self.options, shown=shown)
            except SsuError as error:
                with aside(shown):
                    self._refuse(path, seen, error)
                return False
            self._file(path, _ERROR).unlink(missing_ok=True)
            _date(self._file(path, _ANSWER), seen)
        except OSError as error:  # of the folder of answers; the clip is tried again
            with aside(shown):
                complain(FilesUnwritable(str(error)), about=str(path))
            return False
        with aside(shown):
            self._tell(path, None)
        return True

    def _refuse(self, path: Path, seen: _Seen, error: SsuError) -> None:
        """Say what is wrong with a file, and keep it, unless it is not the file's fault."""
        complain(error, about=str(path))
        if isinstance(error, _PASSING) or not path.exists():
            return
        kept = self._file(path, _ERROR)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(facts_of_error(error)) + "\n")
        _date(kept, seen)
        self._tell(path, error)

    def _tell(self, path: Path, error: SsuError | None) -> None:
        answer = self._file(path, _ANSWER)
        if self.as_json:
            told = None if error is None else facts_of_error(error)
            print_json({"clip": str(path), "answer": None if error else str(answer), "error": told})
        elif error is None:
            console().print(f"{path.name}  {answer}", markup=False, soft_wrap=True)


def _look_at(path: Path) -> _Seen | None:
    """Return how a file is; None if it is no clip, or gone."""
    try:
        if not is_clip(path) or not path.is_file():
            return None
        found = path.stat()
    except OSError:
        return None
    return _Seen(found.st_size, found.st_mtime_ns)


def _date(file: Path, seen: _Seen) -> None:
    """Give a file the time of the clip that it is about."""
    os.utime(file, ns=(seen.changed, seen.changed))
