"""Every command of docs/tutorial.md is run, in its order, and its page is opened in a browser."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep

import pytest

from service.cli.temporary_service import free_port
from tests.browser import NEEDED as BROWSER_NEEDED
from tests.browser import browser
from tests.test_readme import ROOT, environment

TEXT = (ROOT / "docs/tutorial.md").read_text()
PORTS = {"8000": free_port(), "9000": free_port(), "9001": free_port()}
NEEDED = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")


def with_ports(text: str) -> str:
    text = text.replace("--port 8000", "--port 8000 --metrics-port 0")
    return re.sub("|".join(PORTS), lambda found: str(PORTS[found[0]]), text)


def blocks(language: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)
    return [with_ports(block) for block in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which all commands have been run; what they started still runs."""
    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copy(ROOT / "samples/lifescene-change.mp4", folder / "clip.mp4")
    (folder / "page.html").write_text(blocks("html")[0])
    (folder / "hook.py").write_text(blocks("python")[0])
    script = "\n".join(["set -euo pipefail", *blocks("bash"), "touch finished", "wait"])
    with (folder / "printed").open("w") as printed:
        running = subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=environment(), stdout=printed,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            wait_for(folder / "finished", running)
            yield folder
        finally:
            with suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGTERM)
            running.wait(30)


def wait_for(file: Path, running: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if file.exists() or running.poll() is not None:
            break
        sleep(0.5)
    assert file.exists(), file.with_name("printed").read_text()


@NEEDED
def test_the_commands_give_what_the_page_says(folder: Path) -> None:
    printed = (folder / "printed").read_text()

    assert "0.25 a large motorcycle revs" in printed
    assert "option_invalid" in printed
    assert (folder / "clip.vtt").read_text().startswith("WEBVTT")
    assert (folder / "clip.overlay.mp4").read_bytes()[4:8] == b"ftyp"
    assert json.loads((folder / "clip.coco.json").read_text())["annotations"]
    assert json.loads((folder / "called.json").read_text())["type"] == "job.done"


@NEEDED
@BROWSER_NEEDED
def test_the_page_draws_masks(folder: Path) -> None:
    pixels = "context.getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    text = (folder / "page.html").read_text()
    told = f"document.title = {pixels}; requestAnimationFrame(draw);"
    (folder / "watched.html").write_text(text.replace("requestAnimationFrame(draw);", told))

    with browser() as opened:
        page = opened.new_page()
        page.goto(f"http://127.0.0.1:{PORTS['9001']}/watched.html")
        page.wait_for_function("() => document.title === 'true'")

        assert "motorcycle revs" in page.locator("#words").inner_text()
