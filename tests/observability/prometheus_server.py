"""A real Prometheus on this machine, and the questions that are put to it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from service.cli.temporary_service import LOOPBACK, free_port

PATIENCE = 120.0
Job = Sequence[tuple[str, Mapping[str, str]]]
"""Targets, `host:port`, each with its labels."""


@dataclass(frozen=True, slots=True)
class Result:
    """One series of an answer: its labels, and its values over time."""

    labels: dict[str, str]
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Asks one server; raises httpx.HTTPStatusError where it does not like the question."""

    address: str

    def ask(self, path: str, **parameters: object) -> Any:  # noqa: ANN401
        """Return what the API answers."""
        data = {name: value for name, value in parameters.items() if value is not None}
        answer = httpx.get(f"{self.address}/api/v1/{path}", params=data, timeout=30)  # type: ignore[arg-type]
        if answer.is_error:
            raise AssertionError(f"{parameters}: {answer.text}")
        return answer.json()["data"]

    def now(self, expr: str) -> list[Result]:
        """Return the series of an expression at this moment."""
        found = self.ask("query", query=expr)["result"]
        return [Result(one["metric"], _points([one["value"]])) for one in found]

    def over(self, expr: str, start: float, end: float, step: float = 1.0) -> list[Result]:
        """Return the series of an expression over time."""
        found = self.ask("query_range", query=expr, start=start, end=end, step=step)["result"]
        return [Result(one["metric"], _points(one["values"])) for one in found]

    def fired(self, start: float, end: float) -> set[str]:
        """Return the names of the alerts that fired."""
        firing = self.over('ALERTS{alertstate="firing"}', start, end)
        return {one.labels["alertname"] for one in firing}

    def wait(self, what: str, until: Callable[[], bool]) -> None:
        """Wait until something holds; fail with what that was."""
        end = time.monotonic() + PATIENCE
        while not until():
            if time.monotonic() > end:
                raise AssertionError(f"not within {PATIENCE:g} s: {what}")
            time.sleep(0.2)

    def wait_for(self, expr: str) -> None:
        """Wait until an expression has a result."""
        self.wait(expr, lambda: bool(self.now(expr)))


def _points(values: list[tuple[float, str]]) -> list[tuple[float, float]]:
    return [(moment, float(value)) for moment, value in values]


@contextmanager
def prometheus(rules: Path, jobs: Mapping[str, Job], folder: Path) -> Iterator[Prometheus]:
    """Run a server that scrapes every second and keeps exemplars; stop it at the end."""
    folder.mkdir()
    program = shutil.which("prometheus")
    assert program, "Prometheus is needed; on Debian: apt-get install prometheus"
    written = folder / "prometheus.yml"
    written.write_text(yaml.safe_dump(_configuration(rules, jobs)))
    address = f"{LOOPBACK}:{free_port()}"
    command = [
        program,
        f"--config.file={written}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            server = Prometheus(f"http://{address}")
            server.wait(f"Prometheus is ready: {folder / 'log'}", lambda: _is_ready(server.address))
            yield server
        finally:
            process.terminate()
            process.wait()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready").is_success
    except httpx.TransportError:
        return False


def _configuration(rules: Path, jobs: Mapping[str, Job]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules.absolute())],
        "scrape_configs": [
            {
                "job_name": name,
                "static_configs": [
                    {"targets": [target], "labels": dict(labels)} for target, labels in job
                ],
            }
            for name, job in jobs.items()
        ],
    }
