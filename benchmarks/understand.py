"""A ten-second 720p clip through `POST /understand`, as a client sees it, beside its bare engines.

python -m benchmarks.understand --runs 10
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import av
import httpx
import numpy as np
import typer

from benchmarks.timing import report, summary
from ssuformer.contract import SAMPLE_RATE

SECONDS, FPS, HEIGHT, WIDTH = 10, 25, 720, 1280


def enlarge_film(source: Path, target: Path) -> None:
    """Write ten seconds of `source` as 1280x720 H.264 with AAC; a short one is repeated."""
    with av.open(str(source)) as film:
        pictures = [frame.reformat(WIDTH, HEIGHT, "yuv420p") for frame in film.decode(video=0)]
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
    with av.open(str(source)) as film:
        parts = [part for frame in film.decode(audio=0) for part in resampler.resample(frame)]
    sound = np.concatenate([part.to_ndarray()[0] for part in parts])
    sound = np.resize(sound, SECONDS * SAMPLE_RATE)
    with av.open(str(target), "w") as film:
        video = film.add_stream("libx264", rate=FPS, options={"crf": "20", "preset": "fast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        audio = film.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for number in range(SECONDS * FPS):
            picture = pictures[number % len(pictures)]
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            film.mux(video.encode(picture))
        frame = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        film.mux([*audio.encode(frame), *audio.encode(None), *video.encode(None)])


def main(
    clip: Annotated[Path | None, typer.Argument(help="A clip of your own instead.")] = None,
    models: Path = Path("triton_repo"),
    sample: Path = Path("samples/lifescene-change.mp4"),
    runs: int = 10,
) -> None:
    """Start the service, post the clip again and again, and print where the time goes."""
    with tempfile.TemporaryDirectory() as folder:
        if clip is None:
            clip = Path(folder) / "clip.mp4"
            enlarge_film(sample, clip)
        command = [sys.executable, "-m", "service.cli", "serve", "--port", "18765"]
        server = subprocess.Popen(
            [*command, "--models", str(models)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _measure(clip.read_bytes(), runs)
        finally:
            server.terminate()
            server.wait()


def _measure(clip: bytes, runs: int) -> None:
    transport = httpx.HTTPTransport(retries=30)
    with httpx.Client(base_url="http://127.0.0.1:18765", transport=transport, timeout=60) as client:
        while client.get("/readyz").status_code != httpx.codes.OK:
            pass
        stages: dict[str, list[float]] = {}
        for number in range(runs + 2):
            answer = client.post("/understand", content=clip, headers={"Content-Type": "video/mp4"})
            answer.raise_for_status()
            timings = {"whole": 1e3 * answer.elapsed.total_seconds(), **answer.json()["timings_ms"]}
            for stage, milliseconds in timings.items() if number >= 2 else ():
                stages.setdefault(stage, []).append(milliseconds)
    report("a 10 s 1280x720 clip", [summary(name, values) for name, values in stages.items()])


if __name__ == "__main__":
    typer.run(main)
