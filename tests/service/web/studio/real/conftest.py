"""The studio's page with the studio itself: annotators, each in a browser of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from service.engines.fake import FakeEngine
from tests.service.http.raw_client import service
from tests.service.web.conftest import PATIENCE, Visit
from tests.service.web.studio.conftest import enter, place
from tests.ssuformer.footage import Footage

KEYS = "".join(f"{name}-secret name={name}\n" for name in ("alice", "bob", "carol"))
WIDTH, HEIGHT = 160, 120
LONG_SECONDS = 300.0
"""After so many, what is waited for will not come: a film of ten minutes takes some to prepare."""
Json = dict[str, Any]


def square_that_moves(_: int, time: float) -> NDArray[np.uint8]:
    """Return a picture [120 160 3] with a light square, which goes to the right."""
    picture = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    picture[::7, ::5] = 90
    x = 30 + int(10 * time)
    picture[40:80, x : x + 40] = (230, 200, 60)
    return picture


def on_the_square(time: float = 0.0) -> tuple[float, float]:
    """Return a place within it, as shares of the picture's width and height."""
    return (50 + int(10 * time)) / WIDTH, 60 / HEIGHT


def square(**more: Any) -> bytes:  # noqa: ANN401
    """Return four seconds of it, with a tone in some."""
    wanted = {"seconds": 4, "beep": (0.5, 3.0), **more}
    return Footage(paint=square_that_moves, size=(WIDTH, HEIGHT), **wanted).make()


@pytest.fixture(scope="session")
def mp4() -> bytes:
    return square()


@pytest.fixture(scope="session")
def webm() -> bytes:
    return square(container="webm", video="libvpx-vp9", audio="libopus", rate=48_000)


def settings_in(folder: Path) -> Json:
    """Return what turns the studio on, with all that it keeps in a folder."""
    (folder / "keys").write_text(KEYS)
    return {
        "studio": True,
        "jobs": f"sqlite:///{folder}/jobs.sqlite",
        "jobs_folder": folder / "files",
        "keys_file": folder / "keys",
        "studio_masks": "grabcut",
    }


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with a studio; each test makes a project of its own."""
    settings = settings_in(tmp_path_factory.mktemp("studio"))
    with service(FakeEngine(), **settings) as address:
        yield address


def call(address: str, method: str, path: str, who: str = "alice", **more: Any) -> Any:  # noqa: ANN401
    """Ask the studio's API, besides the page."""
    headers = {"Authorization": f"Bearer {who}-secret"}
    url = f"{address}/studio/api{path}"
    answer = httpx.request(method, url, headers=headers, timeout=60, trust_env=False, **more)
    return answer.raise_for_status().json() if answer.content else None


def layer_of(address: str, clip: str, who: str = "alice") -> Json:
    told: Json = call(address, "GET", f"/clips/{clip}/layers/{who}")
    return told


def project_of(address: str, **films: bytes) -> tuple[str, list[str]]:
    """Make a project of these films, and wait until they are ready; return it and its clips."""
    project = call(address, "POST", "/projects", json={"name": "Squares"})["id"]
    path = f"/projects/{project}/clips"
    clips = [
        call(address, "POST", path, files={"clip": (name.replace("_", "."), film)})["id"]
        for name, film in films.items()
    ]
    until(lambda: all(is_ready(address, clip) for clip in clips))
    return project, clips


def is_ready(address: str, clip: str) -> bool:
    told = call(address, "GET", f"/clips/{clip}")
    assert told["state"] != "failed", told["problem"]
    ready: bool = told["state"] == "ready"
    return ready


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + LONG_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.1)


Seat = Callable[..., Page]


@pytest.fixture
def seat(chromium: Browser) -> Iterator[Seat]:
    """Open the studio as somebody, in a browser that nobody else has.

    At the end it must not have complained, or asked elsewhere.
    """
    visits: list[Visit] = []

    def opened(
        address: str,
        who: str = "alice",
        hash: str = "",
        *,
        allowed: tuple[str, ...] = (),
        **more: Any,  # noqa: ANN401
    ) -> Page:
        settings = {"viewport": {"width": 1280, "height": 1100}, **more}
        page = chromium.new_context(**settings).new_page()
        visits.append(Visit(page, address, allowed))
        enter(page, address, hash, key=f"{who}-secret")
        if hash.startswith("#clip"):
            until_open(page)
        return page

    yield opened
    for one in visits:
        one.page.context.close()
    assert [one.complaints for one in visits] == [[] for _ in visits]
    assert [one.strays for one in visits] == [[] for _ in visits]


def until_open(page: Page) -> None:
    """Wait until the editor shows a layer, and give it the keys."""
    page.wait_for_selector(".lane-row", state="attached")
    page.locator(".player").focus()


def until_saved(page: Page) -> None:
    expect(page.locator(".saved[data-kind=saved]")).to_be_attached(timeout=PATIENCE)


def new_track(page: Page, category: str) -> None:
    page.locator(".player").focus()
    page.keyboard.press("t")
    page.fill("#category", category)
    page.locator(".player").focus()


def click_at(page: Page, at: tuple[float, float]) -> None:
    """Make a mask by a click."""
    page.keyboard.press("c")
    page.mouse.click(*place(page, *at))
    expect(page.locator(".frame-told")).to_contain_text("(click)", timeout=PATIENCE)


def say(page: Page, text: str) -> None:
    """Say that it sounds from the frame that is shown, and what."""
    page.keyboard.press("w")
    page.keyboard.press("Enter")
    page.keyboard.type(text)
    page.locator(".player").focus()
    until_saved(page)
