"""A long clip as a job: its speed, the gateway's memory, and what requests wait beside it.

python -m benchmarks.jobs --minutes 60
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import av
import httpx
import psutil
import typer
from rich.console import Console

from benchmarks.film import write_film
from benchmarks.processes import usage
from benchmarks.timing import machine, report, summary
from service.cli.temporary_service import free_port

SAMPLE = Path("samples/lifescene-change.mp4")
HEIGHT, WIDTH = 360, 640
_LOOK_SECONDS = 2.0


def main(
    minutes: Annotated[float, typer.Option(help="Length of the clip.")] = 60.0,
    engine: Annotated[str, typer.Option(help="`onnx` or `fake`.")] = "onnx",
    workers: Annotated[int, typer.Option(help="Clips in work at the same time.")] = 2,
    beside: Annotated[int, typer.Option(help="Requests of 10 s measured with and without.")] = 20,
) -> None:
    """Measure and print a table, then one JSON line."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        film, short = folder / "long.mp4", folder / "short.mp4"
        write_film(SAMPLE, short, seconds=10, height=HEIGHT, width=WIDTH)
        repeat(short, film, times=round(minutes * 6))
        client, gateway = stack.enter_context(service(folder, engine, workers))
        alone = [timed(client, short) for _ in range(beside)]
        began = time.monotonic()
        with film.open("rb") as body:
            sent = client.post("/jobs", content=body)
        number = sent.raise_for_status().json()["id"]
        busy = [timed(client, short) for _ in range(beside)]
        memory, done = followed(client, gateway, number)
        spent = time.monotonic() - began
        path = f"/jobs/{number}/result"
        frames = len(client.get(path, timeout=600).raise_for_status().json()["frames"])
        result = usage(gateway).memory_mib
    third = len(memory) // 3
    facts = {
        "clip_seconds": round(minutes * 60),
        "state": done["state"],
        "frames": frames,
        "seconds": round(spent, 1),
        "realtime": round(minutes * 60 / spent, 1),
        "memory_mib_first_third": round(max(memory[:third], default=0.0)),
        "memory_mib_last_third": round(max(memory[-third:], default=0.0)),
        "memory_mib_after_result": round(result),
    }
    Console().print(json.dumps(facts))
    report(
        "a request of 10 s, answered at once",
        [summary("alone", alone), summary("beside a job", busy)],
        **facts,
        **machine(),
    )


def repeat(short: Path, film: Path, *, times: int) -> None:
    """Write a film over and over into another, without coding it again."""
    with av.open(str(short)) as source, av.open(str(film), "w") as made:
        streams = {one.index: made.add_stream_from_template(one) for one in source.streams}
        length = 10.0
        for number in range(times):
            source.seek(0)
            for packet in source.demux():
                if packet.dts is None or packet.pts is None or packet.time_base is None:
                    continue
                if packet.pts * packet.time_base >= length:
                    continue
                shift = round(number * length / packet.time_base)
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = streams[packet.stream.index]
                made.mux(packet)


@contextmanager
def service(
    folder: Path, engine: str, workers: int
) -> Iterator[tuple[httpx.Client, psutil.Process]]:
    """Start a gateway with jobs, and stop it at the end."""
    port = free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port)]
    command += ["--metrics-port", "0", "--workers", str(workers)]
    settings = {"SSU_JOBS": f"sqlite:///{folder}/jobs.sqlite", "SSU_ENGINE": engine}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, env=os.environ | settings)
    transport = httpx.HTTPTransport(retries=30)
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(
            base_url=address, transport=transport, trust_env=False, timeout=120
        ) as client:
            while client.get("/readyz").status_code != httpx.codes.OK:
                time.sleep(0.1)
            yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def timed(client: httpx.Client, clip: Path) -> float:
    """Return the milliseconds of a request."""
    began = time.perf_counter()
    client.post("/understand", content=clip.read_bytes()).raise_for_status()
    return 1e3 * (time.perf_counter() - began)


def followed(
    client: httpx.Client, gateway: psutil.Process, number: str
) -> tuple[list[float], dict[str, Any]]:
    """Return the memory of all processes until a job has ended, and the job."""
    memory: list[float] = []
    while True:
        job: dict[str, Any] = client.get(f"/jobs/{number}").json()
        if job["state"] in ("done", "failed"):
            return memory, job
        memory.append(usage(gateway).memory_mib)
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    typer.run(main)
