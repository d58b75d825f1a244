"""What people see: consoles, troubles, progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from service.cli.client import Trouble
from ssuformer.errors import SsuError

_WIDTH_OF_FILES = 120

Step = Callable[[float], None]
"""Is told by how much more the work has come on."""


def console(*, errors: bool = False) -> Console:
    """Return a console on standard output or error; a log file or a pipe is taken for wide."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else _WIDTH_OF_FILES
    return Console(stderr=errors, width=width, highlight=False, soft_wrap=False)


def complain(trouble: Trouble, *, about: str | None = None) -> None:
    """Say on standard error what went wrong, with the limit and the actual value."""
    out = console(errors=True)
    subject = f"{escape(about)}: " if about else ""
    out.print(f"[bold red]{escape(trouble.code)}[/] {subject}{escape(trouble.detail)}")
    facts = {
        "limit": trouble.limit,
        "actual": trouble.actual,
        "try again after": trouble.retry_after and f"{trouble.retry_after} s",
    }
    for name, value in facts.items():
        if value is not None:
            whole = isinstance(value, float) and value.is_integer()
            out.print(f"  [dim]{name}[/] {escape(str(int(value) if whole else value))}")


@contextmanager
def ended_by_errors() -> Iterator[None]:
    """End the command with exit code 1 and a line about it when something deliberate is raised."""
    try:
        yield
    except SsuError as error:
        complain(Trouble.of(error))
        raise typer.Exit(1) from error


@contextmanager
def progress() -> Iterator[Progress]:
    """Show progress on standard error while it lasts; nothing where nobody watches."""
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
