"""The studio's page: edits by hand and keyboard are saved, and outlive what breaks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.service.web.studio.stand_in import StandIn, served


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that must not complain."""
    opened = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    opened.set_default_timeout(15_000)
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    yield opened
    opened.context.close()
    assert [one for one in complaints if not one.startswith("Failed to load resource")] == []


def open_clip(page: Page, address: str) -> None:
    page.goto(address + "/studio")
    page.fill("#key", "secret")
    page.keyboard.press("Enter")
    page.click("text=Bells")
    page.click("text=bell.mp4")
    page.wait_for_selector(".lane-row")
    page.locator(".player").focus()


def until_saved(page: Page) -> None:
    page.wait_for_selector(".saved[data-kind=saved]")


def test_a_clip_is_accepted_by_keyboard_from_what_the_model_found(page: Page) -> None:
    stand_in = StandIn()
    with served(stand_in) as address:
        open_clip(page, address)
        page.keyboard.press("a")
        until_saved(page)

    assert stand_in.layers["alice"]["state"] == "accepted"
    assert stand_in.layers["model"]["state"] == "open"


def test_click_brush_and_undo_change_the_mask_of_the_frame(page: Page) -> None:
    stand_in = StandIn()
    with served(stand_in) as address:
        open_clip(page, address)
        page.keyboard.press(".")
        page.keyboard.press("c")
        page.locator(".surface").click()
        page.wait_for_function(
            "() => document.querySelector('.frame-told').innerText.includes('mask')"
        )
        until_saved(page)
        page.keyboard.press("d")
        page.locator(".surface").click(position={"x": 30, "y": 30})
        page.wait_for_timeout(1000)
        until_saved(page)
        page.keyboard.press("Control+z")
        page.wait_for_timeout(1000)
        until_saved(page)

    tools = [edit.get("tool") for batch in stand_in.batches for edit in batch["edits"]]
    frames = {edit["frame"] for batch in stand_in.batches for edit in batch["edits"]}
    assert tools[:2] == ["click", "brush"]
    assert len(tools) == 3
    assert frames == {1}


def test_edits_of_a_tab_that_is_killed_without_a_service_are_saved_by_the_next(
    page: Page,
) -> None:
    stand_in = StandIn()
    with served(stand_in) as address:
        open_clip(page, address)
        page.keyboard.press("a")
        until_saved(page)
        page.route("**/layers/mine", lambda route: route.abort())
        page.keyboard.press("l")
        page.wait_for_selector(".saved[data-kind=waiting]")
        told = page.locator(".saved").inner_text()
        page.unroute("**/layers/mine")
        other = page.context.new_page()
        page.close()
        other.goto(f"{address}/studio")
        other.fill("#key", "secret")
        other.keyboard.press("Enter")
        other.click("text=Bells")
        other.click("text=bell.mp4")
        other.wait_for_selector(".saved[data-kind=saved]")

    assert told.startswith("1 change not yet saved; kept in this browser")
    masks = stand_in.layers["alice"]["tracks"][0]["masks"]
    assert [one["locked"] for one in masks if one["frame"] == 0] == [True]
