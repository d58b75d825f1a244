"""The command line: `ssu`.

A command's module holds its options and its help. It imports its dependencies only when it runs,
so that `--help` does not wait for FFmpeg, FastAPI and onnxruntime.
"""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli import (
    doctor,
    export,
    installation,
    jobs,
    models,
    serve,
    triton,
    understand,
    watch,
)
from ssuformer.terminal import replace_unknown_letters

__all__ = ["app", "run"]

app = typer.Typer(
    name="ssu",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"ssu {installation.version()}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda wanted: _show_version(wanted=wanted), is_eager=True
        ),
    ] = False,
) -> None:
    """Sound source understanding: which objects make sound in a clip, where and when, in words.

    **Examples**

    - `ssu doctor` checks the installation
    - `ssu understand dog.mp4 --out out` analyses a clip and writes all results
    - `ssu watch inbox` analyses every clip that arrives in a folder
    - `ssu jobs submit film.mp4` has a service analyse it in the background
    - `ssu export out/dog.json --to coco` writes an answer in another format
    - `ssu serve` runs the HTTP service
    - `ssu --install-completion` completes commands and options in this shell
    """


app.command()(understand.understand)
app.command()(watch.watch)
app.add_typer(jobs.app)
app.command()(export.export)
app.command()(serve.serve)
app.command()(triton.triton)
app.command("models")(models.show_models)
app.command()(doctor.doctor)


def run() -> None:
    """Run the command line; replace characters that the terminal cannot show."""
    replace_unknown_letters()
    app()
