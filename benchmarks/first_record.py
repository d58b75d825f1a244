"""Time to the first window of a streamed answer: of a clip of one window, and of longer ones.

Clips take turns, so other load affects all alike; time is from the last byte of a clip. Then, for
each clip, by how much the memory of the gateway grew while its answer was read to the end.

python -m benchmarks.first_record --runs 5
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import orjson
import psutil
import typer

from benchmarks.film import write_film
from benchmarks.timing import report, summary
from service.cli.temporary_service import free_port

HEIGHT, WIDTH = 180, 320
_PIECE = 2**20


def main(
    models: Path = Path("triton_repo"),
    sample: Path = Path("samples/lifescene-change.mp4"),
    seconds: list[int] = [10, 60, 300],  # noqa: B006
    runs: int = 5,
    fps: float = 1.0,
) -> None:
    """Start the service, send the clips in turn, and print the time to the first window."""
    with tempfile.TemporaryDirectory() as folder:
        clips = {length: Path(folder) / f"{length}.mp4" for length in seconds}
        for length, path in clips.items():
            write_film(sample, path, seconds=length, height=HEIGHT, width=WIDTH)
        port = free_port()
        command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port)]
        server = subprocess.Popen(
            [*command, "--metrics-port", "0", "--models", str(models)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _measure(
                f"http://127.0.0.1:{port}", psutil.Process(server.pid), clips, runs=runs, fps=fps
            )
        finally:
            server.terminate()
            server.wait()


def _measure(
    address: str, gateway: psutil.Process, clips: Mapping[int, Path], *, runs: int, fps: float
) -> None:
    transport = httpx.HTTPTransport(retries=30)
    query = {"format": "ndjson", "fps": str(fps)}
    with httpx.Client(base_url=address, transport=transport, timeout=300, params=query) as client:
        while client.get("/readyz", params=None).status_code != httpx.codes.OK:
            pass
        first: dict[int, list[float]] = {length: [] for length in clips}
        for number in range(runs + 1):
            for length, path in clips.items():
                taken, _ = _records(client, path, to_the_end=False)
                if number:
                    first[length].append(1e3 * taken)
        grown = {}
        for length, path in clips.items():
            before = gateway.memory_info().rss
            _, most = _records(client, path, to_the_end=True, gateway=gateway)
            grown[f"{length} s"] = round((most - before) / 2**20, 1)
    rows = [summary(f"{length} s", taken) for length, taken in first.items()]
    report("from the last byte of a clip to the first window", rows, memory_growth_mib=grown)


def _records(
    client: httpx.Client, clip: Path, *, to_the_end: bool, gateway: psutil.Process | None = None
) -> tuple[float, int]:
    """Return the seconds to the first window, and the most memory that was seen."""
    sent, first, most = 0.0, 0.0, 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        with clip.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
        sent = time.perf_counter()

    headers = {"Content-Type": "video/mp4", "Content-Length": str(clip.stat().st_size)}
    with client.stream("POST", "/understand", content=pieces(), headers=headers) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if gateway is not None:
                most = max(most, gateway.memory_info().rss)
            if not first and orjson.loads(line)["record"] == "window":
                first = time.perf_counter() - sent
                if not to_the_end:
                    break
    return first, most


if __name__ == "__main__":
    typer.run(main)
