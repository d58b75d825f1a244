"""What traces cost: requests to two services by turns, one of which exports a trace of each.

The collector is a thread of this program that reads what comes and drops it.

python -m benchmarks.traces --runs 100
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import psutil
import typer

from benchmarks.timing import report, summary
from service.cli.temporary_service import LOOPBACK, free_port

_WARM_UP = 5


def main(
    sample: Path = Path("samples/lifescene-change.mp4"), engine: str = "onnx", runs: int = 100
) -> None:
    """Send a clip by turns, and print the time and the processor time of a request."""
    clip = sample.read_bytes()
    with ExitStack() as stack:
        received: list[int] = []
        collector = stack.enter_context(_collector(received))
        off = stack.enter_context(_service(engine, SSU_TRACES="off"))
        on = stack.enter_context(
            _service(engine, SSU_TRACES="on", OTEL_EXPORTER_OTLP_ENDPOINT=collector)
        )
        services = {"off": off, "on": on}
        taken: dict[str, list[float]] = {name: [] for name in services}
        used = dict.fromkeys(services, 0.0)
        for number in range(_WARM_UP + runs):
            for name, (client, process) in services.items():
                before, began = _processor_seconds(process), time.perf_counter()
                client.post("/understand", content=clip).raise_for_status()
                if number >= _WARM_UP:
                    taken[name].append(1e3 * (time.perf_counter() - began))
                    used[name] += _processor_seconds(process) - before
    report(
        "traces off and on",
        [summary(name, times) for name, times in taken.items()],
        gateway_processor_ms={name: round(1e3 * spent / runs, 1) for name, spent in used.items()},
        exported_bytes_per_request=round(sum(received) / (_WARM_UP + runs)),
    )


@contextmanager
def _service(engine: str, **variables: str) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    port = free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--engine", engine]
    server = subprocess.Popen(
        [*command, "--port", str(port), "--metrics-port", "0"],
        env={**os.environ, "SSU_DRAIN_SECONDS": "0", **variables},
        stdout=subprocess.DEVNULL,
    )
    transport = httpx.HTTPTransport(retries=30)
    address = f"http://{LOOPBACK}:{port}"
    try:
        with httpx.Client(base_url=address, transport=transport, timeout=60) as client:
            while client.get("/readyz").status_code != httpx.codes.OK:
                time.sleep(0.05)
            yield client, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def _processor_seconds(process: psutil.Process) -> float:
    """Return what the gateway itself has used, without the processes that decode."""
    times = process.cpu_times()
    return times.user + times.system


@contextmanager
def _collector(received: list[int]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(len(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing."""

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://{LOOPBACK}:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    typer.run(main)
