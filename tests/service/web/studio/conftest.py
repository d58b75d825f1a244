"""The studio in a browser, with a stand-in for its API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.service.web.conftest import Visit
from tests.service.web.studio.stand_in import StandIn, served

OpenStudio = Callable[..., Page]


@pytest.fixture
def stand_in() -> StandIn:
    return StandIn()


@pytest.fixture
def address(stand_in: StandIn) -> Iterator[str]:
    with served(stand_in) as address:
        yield address


@pytest.fixture
def studio(chromium: Browser, address: str) -> Iterator[OpenStudio]:
    """Open the studio; at the end it must not have complained, or asked elsewhere."""
    visits: list[Visit] = []

    def opened(hash: str = "", *, allowed: tuple[str, ...] = (), **more: object) -> Page:
        settings: dict[str, Any] = {"viewport": {"width": 1280, "height": 1100}, **more}
        page = chromium.new_context(**settings).new_page()
        visits.append(Visit(page, address, allowed))
        enter(page, address, hash)
        return page

    yield opened
    for one in visits:
        one.page.context.close()
    assert [one.complaints for one in visits] == [[] for _ in visits]
    assert [one.strays for one in visits] == [[] for _ in visits]


@pytest.fixture
def clip(studio: OpenStudio) -> Page:
    """The editor of the clip."""
    page = studio("#clip=c1")
    page.wait_for_selector(".lane-row .part")
    page.locator(".player").focus()
    return page


def enter(
    page: Page,
    address: str,
    hash: str,
    *,
    key: str = "secret",
    within: str = "main > .list .card, main > .editor",
) -> None:
    """Give the key, and wait for what is to be there."""
    page.goto(f"{address}/studio{hash}")
    page.fill("#key", key)
    page.keyboard.press("Enter")
    page.wait_for_selector(within)


def until_saved(page: Page, stand_in: StandIn, batches: int = 1) -> None:
    """Wait until so many batches have come, and all is saved."""
    for _ in range(100):
        if len(stand_in.batches) >= batches:
            break
        page.wait_for_timeout(100)
    page.wait_for_selector(".saved[data-kind=saved]")
    assert len(stand_in.batches) >= batches


def edits(stand_in: StandIn) -> list[dict[str, Any]]:
    """All edits that have been saved, in order."""
    return [edit for batch in stand_in.batches for edit in batch["edits"]]


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Return where on the page a share of the picture's width and height lies."""
    box = page.locator(".surface").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def drag(page: Page, *points: tuple[float, float]) -> None:
    """Press the pointer down at the first of these shares of the picture, and go to the others."""
    page.mouse.move(*place(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, *point), steps=3)
    page.mouse.up()
