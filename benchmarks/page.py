"""The page at `/` while a film plays with three tracks: pictures whose masks were not drawn.

Headless Chromium, without a GPU, on the same cores as the service. Beside it, in the same run, the
film without any mask: what the machine loses by itself. Processor time of the page's own thread for
each picture; a film of 25 pictures a second leaves 40 ms.

python -m benchmarks.page --seconds 60
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.film import write_film
from benchmarks.timing import machine
from service.cli.temporary_service import hosted
from service.engines.fake import FakeEngine
from service.settings import Settings
from ssuformer.regions import Float, Segmentation

_PLAY = """async () => {
  const video = document.querySelector(".picture video");
  const count = { told: 0, last: 0 };
  let first = null;
  const look = (_, { presentedFrames }) => {
    first ??= presentedFrames;
    count.told += 1;
    count.last = presentedFrames;
    video.requestVideoFrameCallback(look);
  };
  video.currentTime = 0;
  video.muted = true;
  video.requestVideoFrameCallback(look);
  const ended = new Promise(done => video.addEventListener("ended", done, { once: true }));
  await video.play();
  await ended;
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  return { shown: count.last - first + 1, drawn: count.told, totalVideoFrames, droppedVideoFrames };
}"""


class ThreeTracks(FakeEngine):
    """Three discs that move and always sound."""

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        """Return discs for a window: frames [t 224 224 3], a second of sound each [t 16000]."""
        window = await super().segment(frames, waveform, timeout=timeout)
        size = window.mask_probability.shape[-1]
        y, x = np.mgrid[:size, :size] / size
        for i in range(len(frames)):
            for query in range(3):
                away = np.hypot(y - 0.3 - 0.2 * query, x - 0.2 - 0.3 * query + 0.05 * (i % 2))
                window.mask_probability[i, query] = 1 / (1 + np.exp(50 * (away - 0.17)))
                window.sounding_probability[i, query] = 0.9
        return window


def main(
    sample: Path = Path("samples/lifescene-change.mp4"),
    seconds: int = 60,
    height: int = 360,
    width: int = 640,
) -> None:
    """Play a film on the page, before its answer and with it, and print what was drawn."""
    settings = Settings(engine="fake", log_level="error", samples=None)
    found: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        hosted(settings, ThreeTracks()) as address,
        sync_playwright() as playwright,
    ):
        film = Path(folder) / "film.mp4"
        write_film(sample, film, seconds=seconds, height=height, width=width)
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"],
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout((seconds + 60) * 2000)
        page.goto(address)
        page.set_input_files("#file", film)
        page.wait_for_function("() => document.querySelector('video')?.readyState > 1")
        found["without masks"] = played(page)
        page.get_by_role("button", name="Find what sounds").click()
        page.wait_for_selector(".result")
        found["three tracks"] = played(page)
        chromium.close()
    for name, one in found.items():
        typer.echo(
            f"{name}: {one['drawn']} of {one['shown']} pictures drawn on, {one['lost']:.1%} not"
        )
    typer.echo(json.dumps({**machine(), "seconds": seconds, "size": [height, width], **found}))


def played(page: Page) -> dict[str, Any]:
    """Play the film to its end; return how many pictures were shown, and how many drawn on."""
    inspector = page.context.new_cdp_session(page)
    inspector.send("Performance.enable", {"timeDomain": "threadTicks"})
    began = busy(inspector)
    counts: dict[str, Any] = page.evaluate(_PLAY)
    taken = 1000 * (busy(inspector) - began) / counts["drawn"]
    return {**counts, "lost": 1 - counts["drawn"] / counts["shown"], "ms": round(taken, 2)}


def busy(inspector: CDPSession) -> float:
    """Return the processor seconds that the page's main thread has used."""
    metrics = inspector.send("Performance.getMetrics")["metrics"]
    (value,) = (float(one["value"]) for one in metrics if one["name"] == "TaskDuration")
    return value


if __name__ == "__main__":
    typer.run(main)
