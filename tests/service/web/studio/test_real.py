"""The studio's page with the studio itself: from a new project to a layer that is accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from service.engines.fake import FakeEngine
from tests.service.http.raw_client import service
from tests.service.web.conftest import PATIENCE, Visit
from tests.service.web.studio.conftest import enter
from tests.ssuformer.footage import Footage

pytest.importorskip("service.studio.studio")
pytest.importorskip("cv2", reason="the extra `studio` is not installed")

KEY = {"Authorization": "Bearer secret"}


def square_that_moves(_: int, time: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture [120 160 3] with a light square, which goes to the right."""
    x = 30 + int(10 * time)
    picture = np.full((120, 160, 3), 40, np.uint8)
    picture[::7, ::5] = 90
    picture[40:80, x : x + 40] = (230, 200, 60)
    return picture


def layer_of(address: str, clip: str) -> dict[str, Any]:
    answer = httpx.get(f"{address}/studio/api/clips/{clip}/layers/alice", headers=KEY)
    told: dict[str, Any] = answer.raise_for_status().json()
    return told


def until_saved(page: Page) -> None:
    page.wait_for_timeout(700)
    page.wait_for_selector(".saved[data-kind=saved]")


def click_at(page: Page, x: float, y: float) -> None:
    box = page.locator(".surface").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x / 160 * box["width"], box["y"] + y / 120 * box["height"])


def test_a_film_becomes_a_layer_that_is_accepted(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret name=alice\n")
    film = Footage(seconds=4, paint=square_that_moves, beep=(0.5, 3.0), size=(160, 120)).make()
    settings = {
        "studio": True,
        "jobs": f"sqlite:///{tmp_path}/jobs.sqlite",
        "jobs_folder": tmp_path / "files",
        "keys_file": tmp_path / "keys",
        "studio_masks": "grabcut",
    }
    with service(FakeEngine(heard=True), **settings) as address:
        page = chromium.new_page(viewport={"width": 1280, "height": 1100})
        visited = Visit(page, address)
        try:
            clip = begun(page, address, film)
            worked_on(page)
            layer = layer_of(address, clip)
        finally:
            page.close()

    assert visited.complaints == []
    assert visited.strays == []
    assert layer["state"] == "accepted"
    track = layer["tracks"][-1]
    assert track["category"] == "lamp"
    made = {one["frame"]: one for one in track["masks"]}
    assert made[0]["by"]["who"] == "alice"
    assert made[0]["by"]["tool"] == "click"
    assert {made[frame]["by"]["tool"] for frame in range(1, 6)} == {"propagate"}
    assert made[7]["locked"]
    (interval,) = track["intervals"]
    assert interval["sentence"] == "a lamp hums in the middle"
    assert interval["end"] == 1.02


def begun(page: Page, address: str, film: bytes) -> str:
    """Make a project with a clip, and open it when it is ready; return its id."""
    enter(page, address, "", within="main > .list .new-project")
    page.fill("#project-name", "Squares")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("heading", name="Squares").wait_for()
    one: Any = {"name": "square.mp4", "mimeType": "video/mp4", "buffer": film}
    page.set_input_files("#clips", one)
    page.get_by_role("link", name="square.mp4").click(timeout=2 * PATIENCE)
    page.wait_for_selector(".lane-row")
    page.locator(".player").focus()
    return page.evaluate("() => location.hash").partition("=")[2]


def worked_on(page: Page) -> None:
    """Make a track from a click, carry it on, say when it sounds, lock a frame, accept."""
    page.keyboard.press("t")
    page.fill("#category", "lamp")
    page.locator(".player").focus()
    page.keyboard.press("c")
    click_at(page, 50, 60)
    expect(page.locator(".frame-told")).to_contain_text("(click)", timeout=PATIENCE)
    page.keyboard.press("f")
    expect(page.locator(".notice")).to_contain_text("carried on to the end", timeout=PATIENCE)
    page.keyboard.press("Home")
    page.keyboard.press("w")
    page.locator(".lane-row.chosen .part").click()
    page.locator(".player").focus()
    page.keyboard.press("p")
    page.keyboard.press("Enter")
    page.keyboard.type("a lamp hums in the middle")
    page.locator(".player").focus()
    for _ in range(7):
        page.keyboard.press(".")
    page.keyboard.press("l")
    page.keyboard.press("a")
    until_saved(page)
