"""For whom the studio's page works: keyboard, screen reader, narrow, dark."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.service.web.studio.conftest import OpenStudio
from tests.service.web.studio.stand_in import StandIn
from tests.service.web.test_access import AXE, findings, tab_to

LOOKS: list[dict[str, Any]] = [
    {"color_scheme": "light"},
    {"color_scheme": "dark"},
    {"viewport": {"width": 360, "height": 740}},
]


def sideways(page: Page) -> int:
    width: int = page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: scripts/web-build")
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious_and_nothing_lies_beside_the_page(
    studio: OpenStudio, stand_in: StandIn, look: dict[str, Any]
) -> None:
    stand_in.start()
    page = studio(**look)
    found, widths = {"projects": findings(page)}, {"projects": sideways(page)}
    page.get_by_role("link", name="Bells").click()
    page.get_by_role("link", name="bell.mp4").wait_for()
    found["project"], widths["project"] = findings(page), sideways(page)
    page.get_by_role("link", name="bell.mp4").click()
    page.wait_for_selector(".doubts .seek")
    page.locator(".lane-row .part").first.click()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_selector(".agreement table")
    found["editor"], widths["editor"] = findings(page), sideways(page)
    page.locator(".player").focus()
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    found["keys"], widths["keys"] = findings(page), sideways(page)

    assert {name: some for name, some in found.items() if some} == {}
    assert widths == dict.fromkeys(widths, 0)


def test_the_studio_is_dark_where_the_system_is(studio: OpenStudio) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"

    assert studio(color_scheme="light").evaluate(ground) == "rgb(245, 246, 248)"
    assert studio(color_scheme="dark").evaluate(ground) == "rgb(15, 17, 21)"


def test_all_of_the_editor_is_reached_by_tab(clip: Page) -> None:
    for selector in (".surface", ".edge-end", "#category", "[data-command=accept]"):
        clip.locator("h1").focus()
        tab_to(clip, selector)
