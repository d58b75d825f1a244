"""Measures an overlay on the cluster that KUBECONFIG names: a table, then one JSON line.

Run by `scripts/sandbox/cluster-test`. Ends with status 1 if something is not as it should be.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.timing import machine
from tests.cluster.kubectl import CommandError
from tests.cluster.manifests import for_small_node, render
from tests.cluster.scenarios import SCENARIOS, Finding, Scenario, Service, applied

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)


async def measure(overlay: Path, image: str, only: str) -> list[Finding]:
    """Apply an overlay and go through all scenarios, or those whose name holds `only`."""
    console = Console(stderr=True, highlight=False)
    service, first = await applied(for_small_node(render(overlay), image))
    findings = [first]
    for scenario in SCENARIOS:
        if only in scenario.__name__:
            console.print(f"{scenario.__name__} ...")
            findings.append(await _found(scenario, service))
            console.print(str(findings[-1].measured))
    return findings


async def _found(scenario: Scenario, service: Service) -> Finding:
    try:
        return await scenario(service)
    except (CommandError, TimeoutError, httpx.HTTPError) as error:
        return Finding(scenario.__name__, holds=False, measured={"error": repr(error)})


def show(findings: list[Finding], seconds: float) -> None:
    """Print what was found."""
    table = Table("", "", "measured", title="The overlay on a one-node cluster")
    for finding in findings:
        figures = ", ".join(f"{key} {value}" for key, value in finding.measured.items())
        table.add_row(finding.scenario, "ok" if finding.holds else "FAILED", figures)
    Console(width=150).print(table)
    line = {
        "machine": machine(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "seconds": round(seconds),
        "findings": list(map(asdict, findings)),
    }
    print(json.dumps(line))  # noqa: T201


@app.command()
def main(
    overlay: Annotated[Path, typer.Option()] = Path("k8s/overlays/cpu"),
    image: Annotated[str, typer.Option()] = "ssu-gateway:test",
    only: Annotated[str, typer.Option(help="A part of the names of scenarios.")] = "",
) -> None:
    """Measure an overlay."""
    began = time.perf_counter()
    findings = asyncio.run(measure(overlay, image, only))
    show(findings, time.perf_counter() - began)
    raise typer.Exit(0 if all(finding.holds for finding in findings) else 1)


if __name__ == "__main__":
    app()
