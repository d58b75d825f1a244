"""Packets and time to read the pictures of a film, with and without leaving packets out.

python -m benchmarks.decoding --runs 5
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Annotated

import av
import numpy as np
import typer

from benchmarks.timing import measure, report
from ssuformer.media.opening import Limits
from ssuformer.media.video_reader import Packets, VideoReader

KINDS = {"a key frame a second": 30, "a key frame every 250 frames": 250}
SIZE = (1280, 720)
RATE = 30


def main(
    runs: int = 5,
    seconds: int = 10,
    threads: int = 2,
    fps: Annotated[list[float], typer.Option()] = [0.5, 1, 5, 30],  # noqa: B006
) -> None:
    """Time the pictures of a film at several rates; rows in pairs: everything decoded, or less."""
    things: dict[str, Callable[[], object]] = {}
    packets: dict[str, Packets] = {}
    for (kind, group), rate in product(KINDS.items(), fps):
        film = make_film(seconds, group)
        for skips in (False, True):
            name = f"{kind}, {rate:g} per second, {'less' if skips else 'all'} decoded"
            job = partial(read, film, rate, seconds, threads=threads, skips=skips)
            packets[name] = job()
            things[name] = job
    timings = measure(things, runs=runs, warm_up=1)
    for name, count in packets.items():
        print(f"{name}: {count.decoded} packets decoded, {count.dropped} dropped")  # noqa: T201
    report(f"{seconds} s of {SIZE[0]}x{SIZE[1]}", timings, packets=packets)


def make_film(seconds: int, group: int) -> bytes:
    """Return an H.264 film of a moving texture, without B-frames, as phones write it."""
    texture = np.random.default_rng(0).integers(0, 255, (45, 80, 3)).astype(np.uint8)
    large = np.kron(texture, np.ones((16, 16, 1), np.uint8))
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height = SIZE
        stream.options = {"g": str(group), "bf": "0", "preset": "veryfast", "sc_threshold": "0"}
        for i in range(seconds * RATE):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(large, 3 * i, 1))))
        container.mux(stream.encode())
    return file.getvalue()


def read(film: bytes, fps: float, seconds: int, *, threads: int, skips: bool) -> Packets:
    """Read all pictures at a rate; return how many packets that took."""
    reader = VideoReader(film, limits=Limits(threads=threads), skips=skips)
    for i in range(int(seconds * fps)):
        reader.at((i + 0.5) / fps)
    reader.close()
    return reader.packets


if __name__ == "__main__":
    typer.run(main)
