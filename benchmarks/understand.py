"""Time a ten-second 720p clip through `POST /understand`, compared with the engines alone.

python -m benchmarks.understand --runs 10
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import httpx
import typer

from benchmarks.film import write_film
from benchmarks.timing import report, summary

SECONDS, HEIGHT, WIDTH = 10, 720, 1280


def main(
    clip: Annotated[Path | None, typer.Argument(help="Another clip to use.")] = None,
    models: Path = Path("triton_repo"),
    sample: Path = Path("samples/lifescene-change.mp4"),
    runs: int = 10,
    mask_size: str = "source",
) -> None:
    """Start the service, post the clip repeatedly, and print the time per stage."""
    with tempfile.TemporaryDirectory() as folder:
        if clip is None:
            clip = Path(folder) / "clip.mp4"
            write_film(sample, clip, seconds=SECONDS, height=HEIGHT, width=WIDTH)
        command = [sys.executable, "-m", "service.cli", "serve", "--port", "18765"]
        command += ["--metrics-port", "0"]
        server = subprocess.Popen(
            [*command, "--models", str(models)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _measure(clip.read_bytes(), runs, mask_size)
        finally:
            server.terminate()
            server.wait()


def _measure(clip: bytes, runs: int, mask_size: str) -> None:
    transport = httpx.HTTPTransport(retries=30)
    with httpx.Client(base_url="http://127.0.0.1:18765", transport=transport, timeout=60) as client:
        while client.get("/readyz").status_code != httpx.codes.OK:
            pass
        stages: dict[str, list[float]] = {}
        for number in range(runs + 2):
            answer = client.post(
                "/understand",
                content=clip,
                params={"mask_size": mask_size},
                headers={"Content-Type": "video/mp4"},
            )
            answer.raise_for_status()
            timings = {"whole": 1e3 * answer.elapsed.total_seconds(), **answer.json()["timings_ms"]}
            for stage, milliseconds in timings.items() if number >= 2 else ():
                stages.setdefault(stage, []).append(milliseconds)
    report("a 10 s 1280x720 clip", [summary(name, values) for name, values in stages.items()])


if __name__ == "__main__":
    typer.run(main)
