"""Gateways with jobs for measurements, each in a process of its own, and stores for their jobs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import psutil

from benchmarks.processes import Usage, usage
from service.cli.temporary_service import LOOPBACK, free_port
from tests.service.jobs.conftest import postgresql

StoreKind = Literal["sqlite", "postgresql"]
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Store:
    """A database for jobs."""

    url: str
    process: psutil.Process | None
    """Of PostgreSQL."""

    @property
    def cpu_seconds(self) -> float:
        """What its processes have used so far."""
        return 0.0 if self.process is None else usage(self.process).cpu_seconds


@contextmanager
def storing_jobs(kind: StoreKind, folder: Path) -> Iterator[Store]:
    """Yield a database in a folder, which runs until the block is left: Debian's PostgreSQL."""
    if kind == "sqlite":
        yield Store(f"sqlite:///{folder}/jobs.sqlite", None)
        return
    folder.chmod(0o755)
    place = folder / "postgresql"
    place.mkdir()
    with postgresql(place) as url:
        number, *_ = (place / "data" / "postmaster.pid").read_text().splitlines()
        yield Store(url, psutil.Process(int(number)))


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway that runs, and a client for it."""

    client: httpx.Client
    process: psutil.Process

    def usage(self) -> Usage:
        """Return what all its processes have used so far."""
        return usage(self.process)

    def send(self, clip: Path, **options: str) -> str:
        """Send a clip as a job, and return the job's number."""
        with clip.open("rb") as body:
            sent = self.client.post("/jobs", content=body, params=options)
        number: str = sent.raise_for_status().json()["id"]
        return number

    def job(self, number: str) -> dict[str, Any]:
        """Return all that is told of a job."""
        found: dict[str, Any] = self.client.get(f"/jobs/{number}").raise_for_status().json()
        return found

    def result(self, number: str) -> dict[str, Any]:
        """Return the answer of a job that is done."""
        answer = self.client.get(f"/jobs/{number}/result", timeout=600)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def understand(self, clip: Path, **options: str) -> dict[str, Any]:
        """Return the answer to a clip that is asked for at once."""
        with clip.open("rb") as body:
            answer = self.client.post("/understand", content=body, params=options, timeout=600)
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def kill(self) -> None:
        """Kill it, as the kernel kills a process without memory."""
        self.process.send_signal(signal.SIGKILL)


@contextmanager
def serving(
    folder: Path, *options: str, store: Store | None = None, settings: dict[str, str] | None = None
) -> Iterator[Served]:
    """Run `ssu serve` with jobs until the block is left; by default in SQLite in the folder."""
    port = free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port)]
    command += ["--metrics-port", "0", *options]
    jobs = {
        "SSU_JOBS": f"sqlite:///{folder}/jobs.sqlite" if store is None else store.url,
        "SSU_JOBS_FOLDER": f"{folder}/files",
    }
    quiet, environment = subprocess.DEVNULL, os.environ | jobs | (settings or {})
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=environment)
    try:
        with httpx.Client(
            base_url=f"http://{LOOPBACK}:{port}",
            transport=httpx.HTTPTransport(retries=30),
            trust_env=False,
            timeout=120,
        ) as client:
            while client.get("/readyz").status_code != httpx.codes.OK:
                time.sleep(_LOOK_SECONDS)
            yield Served(client, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()
