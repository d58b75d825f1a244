"""`ssu doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.arguments import AsJson, EngineName, ModelFolder


def doctor(
    *,
    models: ModelFolder = None,
    engine: EngineName = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to try.")] = 8000,
    as_json: AsJson = False,
) -> None:
    """Check whether the service can run here, and print how to fix what is missing.

    Exits with 1 if something required is missing.

    **Examples**

    - `ssu doctor`
    - `ssu doctor --models /models --port 8080`
    - `ssu doctor --json | jq '.checks[] | select(.verdict == "missing")'`
    """
    from dataclasses import asdict

    from rich.markup import escape
    from rich.table import Table

    from service.cli.diagnosis import examine
    from service.cli.terminal import print_json
    from service.settings import settings_for
    from ssuformer.terminal import console, told

    signs = {"good": "[green]ok[/]", "warning": "[yellow]look[/]", "missing": "[red]missing[/]"}
    table = Table(box=None, show_header=False, pad_edge=False)
    with told():
        checks = list(examine(settings_for(models=models, engine=engine), port=port))
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    for check in checks:
        mend = f"\n[bold]{escape(check.mend)}[/]" if check.mend else ""
        table.add_row(signs[check.verdict], check.name, escape(check.found) + mend)
    if not as_json:
        console().print(table)
    if any(check.verdict == "missing" for check in checks):
        raise typer.Exit(1)
