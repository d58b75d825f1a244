"""Terminal output: errors, progress, facts as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from ssuformer.errors import SsuError
from ssuformer.terminal import console, print_error


class FileUnreadable(SsuError):
    """A file that was named cannot be read."""

    code = "file_unreadable"


class FilesUnwritable(SsuError):
    """Results cannot be written."""

    code = "files_unwritable"


def complain(error: SsuError, *, about: str | None = None) -> None:
    """Print an error on standard error, with the limit and the actual value."""
    after = error.retry_after
    facts = {
        "limit": error.limit,
        "actual": error.actual,
        "try again after": None if after is None else f"{after:g} s",
    }
    print_error(error.code, error.message, about=about, facts=facts)


def facts_of_error(error: SsuError) -> dict[str, float | str | None]:
    """Return an error for programs."""
    return {
        "code": error.code,
        "detail": error.message,
        "limit": error.limit,
        "actual": error.actual,
    }


def print_json(facts: object) -> None:
    """Print a document on one line of standard output."""
    out = console().file
    out.write(json.dumps(facts, ensure_ascii=False) + "\n")
    out.flush()


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress on standard error; nothing if it is not a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    out = console(errors=True)
    with Progress(
        *columns,
        console=out,
        transient=True,
        disable=not out.is_terminal,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as shown:
        yield shown


@contextmanager
def aside(shown: Progress) -> Iterator[None]:
    """Take the progress away while something else is printed."""
    shown.stop()
    try:
        yield
    finally:
        shown.start()
