"""The command `ssu`: the command line, if its packages are installed."""

from __future__ import annotations

import sys


def run() -> None:
    """Run the command line; say what to install if only the client is here."""
    try:
        from service.cli import run as run_commands
    except ModuleNotFoundError as error:
        sys.exit(f"ssu needs {error.name}, which is not installed: pip install 'ssuformer[cpu]'")
    run_commands()
