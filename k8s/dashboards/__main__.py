"""`python -m k8s.dashboards`: writes dashboards, rules and alerts into `k8s/observability/`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from k8s.dashboards.files import files
from k8s.dashboards.rules import RUNBOOK

FOLDER = Path("k8s/observability")


def main(
    folder: Annotated[Path, typer.Argument(help="Where to write.")] = FOLDER,
    runbook: Annotated[str, typer.Option(help="URL of the runbook for the alerts.")] = RUNBOOK,
) -> None:
    """Write every dashboard, rule and alert."""
    for name, content in files(runbook).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        Console().print(path, markup=False)


if __name__ == "__main__":
    typer.run(main)
