"""What it costs to decode a clip in a sandboxed process of its own, instead of in this one.

python -m benchmarks.sandbox
"""

from __future__ import annotations

import asyncio
import io
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
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

WIDTH, HEIGHT, RATE = 1280, 720, 48_000
CHUNK_FRAMES = 10

HERE, APART, BOXED = "in this process", "its own process, no sandbox", "its own process, sandbox"


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds by the clock and of processor time, of this process and another one."""

    wall: float
    processor: float


Decode = Callable[[int], Awaitable[Spent]]


@app.command()
def main(
    runs: Annotated[int, typer.Option(min=2, help="Clips decoded in each way.")] = 40,
    seconds: Annotated[int, typer.Option(min=1, help="Duration of the clip.")] = 10,
    rate: Annotated[int, typer.Option(min=1, help="Frames per second of the clip.")] = 25,
) -> None:
    """Decode one clip in turn in this process, in one without and in one with the sandbox.

    Cost: the median of the differences between the ways in the same round, in processor time of
    both processes, as the clock shows mostly what else runs on the machine. A fresh process: from
    giving up the one before until it is ready, which no clip waits for unless all are busy. With
    few frames per second (`--rate 1`) there is less decoding whose own spread hides the cost.
    """
    asyncio.run(_measure(runs, seconds, rate))


async def _measure(runs: int, seconds: int, rate: int) -> None:
    with tempfile.TemporaryFile() as clip:
        clip.write(film(seconds, rate))
        clip.flush()
        async with _pool("off") as plain, _pool("required") as sandboxed:
            ways: dict[str, Decode] = {
                HERE: _here,
                APART: lambda file: _in_pool(plain, file),
                BOXED: lambda file: _in_pool(sandboxed, file),
            }
            taken: dict[str, list[Spent]] = {name: [] for name in ways}
            for number in range(runs + 2):
                for name, decode in ways.items():
                    spent = await decode(clip.fileno())
                    # A fresh process is forked meanwhile, as between two clips.
                    await asyncio.sleep(0.2)
                    if number >= 2:
                        taken[name].append(spent)
            born = [await _birth(sandboxed) for _ in range(runs)]
    rows = {**taken, "a fresh process": born}
    report(
        f"{seconds} s of {WIDTH}x{HEIGHT}, {rate} frames/s: processor time",
        [summary(name, [one.processor for one in spent]) for name, spent in rows.items()],
        wall_p50_ms={name: _median([one.wall for one in spent]) for name, spent in rows.items()},
        cost_ms=_difference(*(taken[name] for name in (HERE, BOXED))),
        cost_of_process_ms=_difference(*(taken[name] for name in (HERE, APART))),
        cost_of_sandbox_ms=_difference(*(taken[name] for name in (APART, BOXED))),
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


class _Watch:
    """Measures from when it is made, with the processor time of other processes, if any."""

    def __init__(self, *others: int) -> None:
        self._others = others
        self._began = self._now()

    def spent(self) -> Spent:
        """Return what has been spent since."""
        now = self._now()
        return Spent(now.wall - self._began.wall, now.processor - self._began.processor)

    def _now(self) -> Spent:
        others = sum(_processor_ms(process) for process in self._others)
        return Spent(1e3 * time.perf_counter(), 1e3 * time.process_time() + others)


def _processor_ms(process: int) -> float:
    return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / 1e6


def _line_of(pool: DecodePool) -> list[int]:
    """Return the template of a pool, the same in its namespace, and its only child."""
    line = [pool.template_process or 0]
    while found := Path(f"/proc/{line[-1]}/task/{line[-1]}/children").read_text().split():
        line.append(int(found[-1]))
    return line


async def _here(file: int) -> Spent:
    watch = _Watch()
    with ClipReader(file, limits=Limits(threads=1)) as reader:
        for _ in reader.chunks(CHUNK_FRAMES):
            pass
    return watch.spent()


async def _in_pool(pool: DecodePool, file: int) -> Spent:
    watch = _Watch(_line_of(pool)[-1])
    async with pool.decode(file, Sampling()) as decoding:
        async for _ in decoding.chunks():
            pass
        return watch.spent()


async def _birth(pool: DecodePool) -> Spent:
    """Return what passes from giving up one process until the next one is ready."""
    child = await pool.take()
    watch = _Watch(*_line_of(pool)[:-1])
    pool.replace(child)
    fresh = await pool.take()
    spent = watch.spent()
    own = _processor_ms(_line_of(pool)[-1])
    pool.replace(fresh)
    await asyncio.sleep(0.1)
    return Spent(spent.wall, spent.processor + own)


def _difference(one: list[Spent], other: list[Spent]) -> float:
    return _median([b.processor - a.processor for a, b in zip(one, other, strict=True)])


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 2)


def film(seconds: int, rate: int) -> bytes:
    """Return a clip in which a gradient moves and a tone is heard, as H.264 and AAC in MP4."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.gop_size, video.options = rate, {"preset": "veryfast"}
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        ramp = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))[..., None]
        for number in range(seconds * rate):
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
