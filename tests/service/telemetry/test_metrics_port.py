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
import psutil
import pytest

from service.cli.temporary_service import LOOPBACK, free_port
from tests.service.http.raw_client import RawClient

TRACE = "0af7651916cd43dd8448eb211c80319c"
OPENMETRICS = {"Accept": "application/openmetrics-text"}
WAIT = 60.0


@contextmanager
def a_gateway(**settings: str) -> Iterator[tuple[str, str]]:
    """Run `ssu serve` and yield the addresses of the service and of its metrics."""
    port, metrics = free_port(), free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--engine", "fake"]
    command += ["--port", str(port), "--metrics-port", str(metrics)]
    environment = os.environ | {"SSU_DRAIN_SECONDS": "0"} | settings
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


def test_slow_and_many_readers_of_metrics_take_no_threads_and_are_closed() -> None:
    with a_gateway(SSU_HEADER_SECONDS="1", SSU_CLIENT_CONNECTIONS="8") as (_, metrics):
        before = threads_of_children()
        held = [RawClient(metrics, b"GET /metrics HTTP/1.1\r\n") for _ in range(8)]
        refused = RawClient(metrics, b"GET / HTTP/1.1\r\n\r\n")

        assert refused.problem() == (429, "too_many_connections")
        assert threads_of_children() == before
        assert [one.problem()[0] for one in held] == [408] * 8
        assert httpx.get(metrics, trust_env=False).is_success


def threads_of_children() -> int:
    """Return the number of threads of the gateway, the only child with many."""
    return max(one.num_threads() for one in psutil.Process().children())


@pytest.mark.parametrize(("limit", "starts"), [(64, False), (1024, True)])
def test_a_limit_on_open_files_that_is_too_low_is_named(limit: int, *, starts: bool) -> None:
    shell = f"ulimit -n {limit}; exec {sys.executable} -m service.cli serve --engine fake --port 0"
    environment = os.environ | {"SSU_CONNECTIONS": "128", "SSU_METRICS_PORT": "0"}
    with subprocess.Popen(
        ["bash", "-c", shell], env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline() + (b"" if starts else process.stderr.read())
        process.terminate()

    assert (b"serving on" in said) == starts
    assert (b"ulimit -n" in said) != starts


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
