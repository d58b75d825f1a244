"""One window of ten frames through the engines: in process, by gRPC, by shared memory.

python -m benchmarks.wire --runs 30
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.timing import report, summary
from service.engines.embedded import OnnxEngine
from service.engines.engine import Engine
from service.engines.triton import TritonEngine
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.triton_server.launcher import inference_server
from ssuformer.clip import Clip, read_clip

WARM_UP = 3


def main(
    sample: Annotated[Path, typer.Argument()] = Path("samples/lifescene-change.mp4"),
    models: Path = Path("triton_repo"),
    runs: int = 30,
) -> None:
    """Time the segmentation of the same window in three ways, alternately."""
    clip = read_clip(sample)
    with inference_server(models) as server:
        asyncio.run(_measure(clip, models, server.grpc, runs))


async def _measure(clip: Clip, models: Path, address: str, runs: int) -> None:
    engines: dict[str, Engine] = {"in this process, one thread": OnnxEngine(models, threads=1)}
    for name, shared in (("gRPC", False), ("gRPC and shared memory", True)):
        settings = Settings(
            engine="triton",
            model_repository=models,
            triton_address=address,
            triton_shared_memory=shared,
        )
        engines[name] = TritonEngine(settings, Metrics())
    milliseconds: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(WARM_UP + runs):
        for name, engine in engines.items():
            began = time.perf_counter()
            await engine.segment(clip.frames, clip.waveform)
            if turn >= WARM_UP:
                milliseconds[name].append(1e3 * (time.perf_counter() - began))
    for engine in engines.values():
        await engine.close()
    frames = len(clip.frames)
    timings = [summary(name, taken) for name, taken in milliseconds.items()]
    report(f"segmentation of {frames} frames", timings, frames=frames)


if __name__ == "__main__":
    typer.run(main)
