"""Metrics have a port of their own, as Prometheus finds them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from service.cli.temporary_service import LOOPBACK, free_port

TRACE = "0af7651916cd43dd8448eb211c80319c"
OPENMETRICS = {"Accept": "application/openmetrics-text"}
WAIT = 60.0


@contextmanager
def a_gateway() -> Iterator[tuple[str, str]]:
    """Run `ssu serve` and yield the addresses of the service and of its metrics."""
    port, metrics = free_port(), free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--engine", "fake"]
    command += ["--port", str(port), "--metrics-port", str(metrics)]
    environment = os.environ | {"SSU_DRAIN_SECONDS": "0"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://{LOOPBACK}:{port}/readyz", process)
            yield f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{metrics}/metrics"
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + WAIT
    while time.monotonic() < end and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.ConnectError:
            time.sleep(0.05)
    raise AssertionError(f"{url} does not answer")


def test_prometheus_finds_metrics_with_exemplars_and_the_service_port_has_none(
    clip: bytes,
) -> None:
    with a_gateway() as (service, metrics):
        traced = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        answer = httpx.post(f"{service}/understand", content=clip, headers=traced, trust_env=False)
        answer.raise_for_status()

        text = httpx.get(metrics, headers=OPENMETRICS, trust_env=False).text
        on_the_service_port = httpx.get(f"{service}/metrics", trust_env=False)

    assert on_the_service_port.status_code == 404
    for name in ("ssu_request_duration_seconds_bucket", "ssu_stage_duration_seconds_bucket"):
        lines = [line for line in text.splitlines() if line.startswith(name)]
        assert any(f'# {{trace_id="{TRACE}"}}' in line for line in lines), name


def test_a_port_that_is_taken_is_an_error_that_says_which() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "service.cli", "serve", "--engine", "fake"]
        ended = subprocess.run(
            [*command, "--port", str(free_port()), "--metrics-port", port],
            capture_output=True,
            text=True,
            timeout=WAIT,
            check=False,
        )

    assert ended.returncode != 0
    assert f"port {port}" in " ".join(ended.stderr.split())
