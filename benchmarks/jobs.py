"""A long clip as a job: its speed, the gateway's memory, and what requests wait beside it.

python -m benchmarks.jobs --minutes 60
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import av
import typer
from rich.console import Console

from benchmarks.film import write_film
from benchmarks.served import Served, serving
from benchmarks.timing import machine, report, summary

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
        limits = ("--engine", engine, "--workers", str(workers))
        gateway = stack.enter_context(serving(folder, *limits))
        alone = [timed(gateway, short) for _ in range(beside)]
        began = time.monotonic()
        number = gateway.send(film)
        busy = [timed(gateway, short) for _ in range(beside)]
        memory, done = followed(gateway, number)
        spent = time.monotonic() - began
        frames = len(gateway.result(number)["frames"])
        result = gateway.usage().memory_mib
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


def timed(gateway: Served, clip: Path) -> float:
    """Return the milliseconds of a request."""
    began = time.perf_counter()
    gateway.understand(clip)
    return 1e3 * (time.perf_counter() - began)


def followed(gateway: Served, number: str) -> tuple[list[float], dict[str, Any]]:
    """Return the memory of all processes until a job has ended, and the job."""
    memory: list[float] = []
    while True:
        job = gateway.job(number)
        if job["state"] in ("done", "failed"):
            return memory, job
        memory.append(gateway.usage().memory_mib)
        time.sleep(_LOOK_SECONDS)


if __name__ == "__main__":
    typer.run(main)
