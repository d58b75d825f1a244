"""The real service on this machine: a gateway with jobs, one with a studio and a Triton server, a
stand-in for its GPU.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil

from service.cli.temporary_service import LOOPBACK, free_port
from service.triton_server.launcher import InferenceServer, inference_server
from tests.observability.prometheus_server import Job

REPOSITORY = Path("triton_repo")
GPU = Path(__file__).with_name("gpu")
"""Holds Triton's metrics of a GPU as its documentation names them; this machine has none."""

NAMESPACE = "ssu"
EMBEDDED, REMOTE, TRITON = "embedded:9464", "remote:9464", "triton:8002"
DEADLINE_SECONDS = 10
_KEY = "secret-of-a-test"
_SETTINGS = {
    "SSU_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
    "SSU_TRANSFER_SECONDS": str(2 * DEADLINE_SECONDS),
    "SSU_DRAIN_SECONDS": "4",
    "SSU_PROBE_SECONDS": "2",
    "SSU_ROLLOUT_SECONDS": "1",
    "SSU_ENGINE_THREADS": "1",
}


@dataclass(slots=True)
class GatewayProcess:
    """A gateway, where it answers, and which models it was given."""

    port: int
    metrics_port: int
    models: Path
    process: subprocess.Popen[bytes]
    key: str | None

    @property
    def address(self) -> str:
        """Where it takes clips."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        """What a request needs to be let in."""
        return {} if self.key is None else {"Authorization": f"Bearer {self.key}"}

    @property
    def metrics(self) -> str:
        """Where Prometheus finds it."""
        return f"{LOOPBACK}:{self.metrics_port}"

    def is_ready(self) -> bool:
        """Return whether it says that it is ready."""
        try:
            return httpx.get(f"{self.address}/readyz").is_success
        except httpx.TransportError:
            return False

    def kill_a_decoding_process(self) -> None:
        """Kill one of the processes that clips are decoded in."""
        processes = psutil.Process(self.process.pid).children(recursive=True)
        max(processes, key=psutil.Process.create_time).kill()

    def terminate(self) -> None:
        """Ask it to stop; it drains first."""
        self.process.terminate()


@dataclass(slots=True)
class Deployment:
    """All of it, running."""

    embedded: GatewayProcess
    remote: GatewayProcess
    triton: InferenceServer
    gpu_port: int
    began: float = field(default_factory=time.time)

    @property
    def receiver(self) -> str:
        """Where webhooks may be sent, and are refused: the stand-in takes no POST."""
        return f"http://{LOOPBACK}:{self.gpu_port}/hooks"

    def jobs(self) -> dict[str, Job]:
        """Return what Prometheus is to scrape, named as in a cluster."""
        gateways = [(self.embedded.metrics, EMBEDDED), (self.remote.metrics, REMOTE)]
        server = self.triton.metrics.removeprefix("http://").removesuffix("/metrics")
        return {
            "ssu-gateway": [(target, _labels(name)) for target, name in gateways],
            "ssu-triton": [(server, _labels(TRITON))],
            "ssu-triton-gpu": [(f"{LOOPBACK}:{self.gpu_port}", _labels(TRITON))],
        }


def _labels(instance: str) -> dict[str, str]:
    return {"namespace": NAMESPACE, "instance": instance}


@contextmanager
def deployment(folder: Path) -> Iterator[Deployment]:
    """Start everything, wait until it is ready, stop it at the end."""
    with ExitStack() as stack:
        triton = stack.enter_context(inference_server(REPOSITORY, log=folder / "triton.log"))
        models = folder / "models"
        shutil.copytree(REPOSITORY, models)
        port = stack.enter_context(_gpu())
        small, jobs = ("--workers", "1", "--queue", "3"), _with_jobs(folder, port)
        embedded = stack.enter_context(gateway(models, folder / "embedded.log", *small, **jobs))
        with_triton, studio = ("--triton", triton.grpc), _with_studio(folder, port)
        remote = stack.enter_context(
            gateway(REPOSITORY, folder / "remote.log", *with_triton, key=_KEY, **studio)
        )
        end = time.monotonic() + 120
        while not (embedded.is_ready() and remote.is_ready()):
            assert time.monotonic() < end, f"a gateway is not ready; see {folder}/*.log"
            time.sleep(0.1)
        yield Deployment(embedded, remote, triton, port)


def _with_jobs(folder: Path, receiver: int) -> dict[str, str]:
    """Return settings of a gateway with jobs, whose webhooks may go to a port of this machine."""
    secrets = folder / "secrets"
    secrets.write_text("secret of a test\n")
    return {
        "SSU_JOBS": f"sqlite:///{folder}/jobs/jobs.sqlite",
        "SSU_WEBHOOK_HOSTS": f"http://{LOOPBACK}:{receiver}",
        "SSU_WEBHOOK_SECRET_FILE": str(secrets),
        "SSU_WEBHOOK_ATTEMPTS": "2",
        "SSU_WEBHOOK_RETRY_SECONDS": "1",
        "SSU_OUTGOING_NETWORKS": "127.0.0.0/8",
    }


def _with_studio(folder: Path, sentences: int) -> dict[str, str]:
    """Return settings of a gateway with a studio, whose sentences come from a port of this machine.

    The stand-in there takes no POST: no sentence ever comes.
    """
    keys = folder / "keys"
    keys.write_text(f"{_KEY} name=alice\n")
    return {
        "SSU_JOBS": f"sqlite:///{folder}/studio/jobs.sqlite",
        "SSU_KEYS_FILE": str(keys),
        "SSU_STUDIO": "true",
        "SSU_STUDIO_MASKS": "grabcut",
        "SSU_STUDIO_SENTENCES": f"http://{LOOPBACK}:{sentences}/v1",
        "SSU_STUDIO_SENTENCES_MODEL": "none",
    }


@contextmanager
def gateway(
    models: Path, log: Path, *options: str, key: str | None = None, **settings: str
) -> Iterator[GatewayProcess]:
    """Run `ssu serve`; `key` is one that its settings name."""
    port, metrics = free_port(), free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--models", str(models)]
    command += ["--port", str(port), "--metrics-port", str(metrics), *options]
    with log.open("wb") as written:
        process = subprocess.Popen(
            command, env=os.environ | _SETTINGS | settings, stdout=written, stderr=written
        )
    try:
        yield GatewayProcess(port, metrics, models, process, key)
    finally:
        process.kill()
        process.wait()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def _gpu() -> Iterator[int]:
    handler = partial(_Quiet, directory=str(GPU))
    with ThreadingHTTPServer((LOOPBACK, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
