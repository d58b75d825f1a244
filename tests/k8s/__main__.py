"""`python -m tests.k8s`: renders what there is, and prints a line for each folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from tests.k8s.checks import SCHEMAS, SEMANTICS, Check
from tests.k8s.manifests import Manifests
from tests.k8s.rendering import ADAPTER, RENDERED, render
from tests.k8s.schema_checks import VERSION


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def complaints(manifests: Manifests, *checks: Check) -> list[str]:
    """Return what is wrong, with the name of the check that found it."""
    return [f"{check.__name__}: {found}" for check in checks for found in check(manifests)]


def main(folders: Sequence[str] = (*RENDERED, ADAPTER)) -> int:
    """Print a line for each folder, complaints below it; return how many folders are wrong."""
    wrong = 0
    for folder in folders:
        try:
            manifests = render(folder)
        except subprocess.CalledProcessError:
            _say(f"{folder:<28} cannot be rendered")
            wrong += 1
            continue
        checks = () if folder == ADAPTER else SEMANTICS
        schemas, semantics = complaints(manifests, SCHEMAS), complaints(manifests, *checks)
        counted = f"{len(manifests.objects):>3} objects"
        held = f"schemas of {VERSION} {'FAILED' if schemas else 'ok'}"
        meant = f"{len(checks):>2} checks {'FAILED' if semantics else 'ok'}"
        _say(f"{folder:<28} {counted}   {held}   {meant}")
        for found in (*schemas, *semantics):
            _say(f"    {found}")
        wrong += bool(schemas or semantics)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
