"""What it costs to decode a clip in a sandboxed process of its own, instead of in this one.

python -m benchmarks.cell
"""

from __future__ import annotations

import asyncio
import io
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Annotated

import av
import numpy as np
import typer

from benchmarks.timing import report, summary
from service.settings import Settings
from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.understanding.decoding import DecodePool
from ssuformer.clip import ClipReader, Limits, Sampling

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

WIDTH, HEIGHT, FPS, RATE = 1280, 720, 25, 48_000
CHUNK_FRAMES = 10

Decode = Callable[[int], Awaitable[int]]


@app.command()
def main(
    runs: Annotated[int, typer.Option(min=2, help="Clips decoded in each way.")] = 40,
    seconds: Annotated[int, typer.Option(min=1, help="Duration of the clip.")] = 10,
) -> None:
    """Decode one clip in turn in this process, in one without and in one with the sandbox.

    Cost: the median of the differences between the ways in the same round, so that other load on
    the machine affects both alike. Also measured: how long a fresh process takes from the order to
    the word that it is ready, which no clip waits for unless all are busy.
    """
    asyncio.run(_measure(runs, seconds))


async def _measure(runs: int, seconds: int) -> None:
    with tempfile.TemporaryFile() as clip:
        clip.write(film(seconds))
        clip.flush()
        async with _pool("off") as plain, _pool("required") as cell:
            ways: dict[str, Decode] = {
                "in this process": _here,
                "process of its own, no sandbox": lambda file: _in_pool(plain, file),
                "process of its own, sandbox": lambda file: _in_pool(cell, file),
            }
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for number in range(runs + 2):
                for name, decode in ways.items():
                    spent = await _timed(decode, clip.fileno())
                    if number >= 2:
                        taken[name].append(spent)
            born = [await _birth(cell) for _ in range(runs)]
    here, apart, boxed = taken.values()
    report(
        f"{seconds} s of {WIDTH}x{HEIGHT}, a frame each second",
        [summary(name, spent) for name, spent in {**taken, "a fresh process": born}.items()],
        cost_ms=_difference(here, boxed),
        cost_of_process_ms=_difference(here, apart),
        cost_of_sandbox_ms=_difference(apart, boxed),
    )


@asynccontextmanager
async def _pool(sandbox: str) -> AsyncIterator[DecodePool]:
    settings = Settings.model_validate(
        {"engine": "fake", "workers": 1, "sandbox": sandbox, "decode_threads": 1}
    )
    pool = DecodePool(settings, Metrics(), make_log("error", io.StringIO()))
    try:
        await pool.start(chunk_frames=CHUNK_FRAMES)
        yield pool
    finally:
        await pool.close()


async def _timed(decode: Decode, file: int) -> float:
    began = time.perf_counter()
    await decode(file)
    spent = 1e3 * (time.perf_counter() - began)
    # A fresh process is forked meanwhile, as between two clips that do not follow at once.
    await asyncio.sleep(0.2)
    return spent


async def _here(file: int) -> int:
    with ClipReader(file, limits=Limits(threads=1)) as reader:
        return sum(len(chunk.times) for chunk in reader.chunks(CHUNK_FRAMES))


async def _in_pool(pool: DecodePool, file: int) -> int:
    async with pool.decode(file, Sampling()) as decoding:
        return sum([len(chunk.times) async for chunk in decoding.chunks()])


async def _birth(pool: DecodePool) -> float:
    """Return the milliseconds from giving up one process until the next one is ready."""
    child = await pool.take()
    began = time.perf_counter()
    pool.replace(child)
    fresh = await pool.take()
    spent = 1e3 * (time.perf_counter() - began)
    pool.replace(fresh)
    await asyncio.sleep(0.1)
    return spent


def _difference(one: list[float], other: list[float]) -> float:
    return round(statistics.median(b - a for a, b in zip(one, other, strict=True)), 2)


def film(seconds: int) -> bytes:
    """Return a clip in which a gradient moves and a tone is heard, as H.264 and AAC in MP4."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.gop_size, video.options = FPS, {"preset": "veryfast"}
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        ramp = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))[..., None]
        for number in range(seconds * FPS):
            picture = (ramp + 3 * number * np.array([1, 2, 3])).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        tone = 0.2 * np.sin(np.arange(seconds * RATE, dtype=np.float32) / 20)[None]
        heard = av.AudioFrame.from_ndarray(tone, "fltp", "mono")
        heard.sample_rate, heard.pts, heard.time_base = RATE, 0, Fraction(1, RATE)
        for piece in av.AudioResampler("fltp", "mono", RATE, frame_size=1024).resample(heard):
            container.mux(sound.encode(piece))
        container.mux(video.encode())
        container.mux(sound.encode())
    return file.getvalue()


if __name__ == "__main__":
    app()
