"""The command line: `ssu`.

A command's module holds its options and its help. What it works with is imported when it runs, so
that `--help` does not wait for FFmpeg, FastAPI and onnxruntime.
"""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli import installation
from service.cli.doctor import doctor
from service.cli.inference_server import triton
from service.cli.inventory import show_models
from service.cli.serving import serve
from service.cli.understanding import understand

__all__ = ["app"]

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
    """Sound source understanding: what sounds in a clip, where, when, and in words.

    **Examples**

    - `ssu doctor` says whether everything is there
    - `ssu understand dog.mp4 --out out` does it all at once
    - `ssu serve` answers over HTTP
    """


app.command()(understand)
app.command()(serve)
app.command()(triton)
app.command("models")(show_models)
app.command()(doctor)
