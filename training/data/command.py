"""`python -m training data`: check folders of filmed clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from ssuformer.terminal import console, told
from training.data.check import Checker
from training.data.kinds import open_films

data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Check folders of filmed clips; training/data/README.md describes them.",
)


@data_app.callback()
def main() -> None:
    """Check folders of filmed clips; training/data/README.md describes them."""


@data_app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="The folder with the clips and their truth.")],
) -> None:
    """Decode every clip and name every fault with its file; exit with 1 if there is one.

    Examples:

    `python -m training data check samples`

    `python -m training data check ~/data/AVSBench/Single-source > faults.txt`
    """
    with told():
        films = open_films(folder)
        found = 0
        with Progress(console=console(errors=True), transient=True) as progress:
            for faults in progress.track(Checker(films).faults(), total=len(films)):
                for fault in faults:
                    typer.echo(fault)
                found += len(faults)
    console(errors=True).print(f"{films.kind}, {len(films)} clips: {found or 'no'} faults")
    if found:
        raise typer.Exit(1)
