"""Terminal output: consoles, errors, progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from service.cli.client import Trouble
from ssuformer.terminal import console, print_error


def complain(trouble: Trouble, *, about: str | None = None) -> None:
    """Print an error on standard error, with the limit and the actual value."""
    facts = {
        "limit": trouble.limit,
        "actual": trouble.actual,
        "try again after": trouble.retry_after and f"{trouble.retry_after} s",
    }
    print_error(trouble.code, trouble.detail, about=about, facts=facts)


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
