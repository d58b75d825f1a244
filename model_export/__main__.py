"""`python -m model_export`: engines from a checkpoint, other precisions, TensorRT plans."""

from __future__ import annotations

import typer

from model_export.export import export
from model_export.plan import plan
from model_export.variants import variants
from ssuformer.terminal import replace_unknown_letters

app = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown")
app.command()(export)
app.command()(variants)
app.command()(plan)


@app.callback()
def main() -> None:
    """Export a checkpoint as engines, convert them, compile them."""


if __name__ == "__main__":
    replace_unknown_letters()
    app()
