"""Terminal output of all commands: error lines, unsupported characters."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from ssuformer.errors import SsuError

_WIDTH_OF_FILES = 120


def console(*, errors: bool = False) -> Console:
    """Return a console on standard output or error; a log file or a pipe counts as wide."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_FILES
    return Console(stderr=errors, width=width, highlight=False, soft_wrap=False)


def replace_unknown_letters() -> None:
    """Replace characters that the output encoding cannot represent with `?` instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_error(
    code: str,
    message: str,
    *,
    about: str | None = None,
    facts: Mapping[str, float | str | None] | None = None,
) -> None:
    """Print an error on standard error, with every known fact below it."""
    out = console(errors=True)
    subject = f"{escape(about)}: " if about else ""
    out.print(f"[bold red]{escape(code)}[/] {subject}{escape(message)}", soft_wrap=True)
    for name, value in (facts or {}).items():
        if value is not None:
            whole = isinstance(value, float) and value.is_integer()
            out.print(f"  [dim]{name}[/] {escape(str(int(value) if whole else value))}")


@contextmanager
def told() -> Iterator[None]:
    """Exit with code 1 and print one line when an SsuError is raised."""
    try:
        yield
    except SsuError as error:
        facts = {"limit": error.limit, "actual": error.actual}
        print_error(error.code, error.message, facts=facts)
        raise typer.Exit(1) from error
