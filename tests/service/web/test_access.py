"""For whom the page works: keyboard, screen reader, narrow, dark, long films."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from service.engines.fake import FakeEngine
from tests.service.http.raw_client import service
from tests.service.web.conftest import OpenPage, Visit
from tests.ssuformer.footage import Footage, flash_in

AXE = Path("service/web/node_modules/axe-core/axe.min.js")
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def film() -> bytes:
    """Eight seconds of sound, and light in one of them: two tracks."""
    return Footage(seconds=8, paint=flash_in(2), beep=(0.0, 6.0), size=(160, 120)).make()


def focused(page: Page) -> str:
    return page.evaluate(
        "() => { const at = document.activeElement;"
        " return at.getAttribute('aria-label') ?? at.id ?? at.textContent }"
    )


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until this has the focus."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached by Tab")


def until_time(page: Page, condition: str) -> None:
    """Wait until the time of the picture that is shown fulfils a condition, `> 0.9`."""
    time = "Number(document.querySelector('.masks').dataset.time)"
    page.wait_for_function(f"() => {time} {condition}")


def chosen_and_sent_by_keyboard(visited: Visit) -> None:
    page = visited.page
    page.wait_for_selector("[data-sample]")
    tab_to(page, "[data-sample='lights.mp4']")
    page.keyboard.press("Enter")
    visited.until_shown()
    tab_to(page, ".choices [type=submit]")
    page.keyboard.press("Enter")
    page.wait_for_selector(".result")
    page.wait_for_function("() => document.activeElement.matches('.player')")


@pytest.fixture
def lights(tmp_path: Path) -> Path:
    """A folder with a sample: a tone, and light from time to time."""
    film = Footage(seconds=8, paint=lambda _, time: 235 if 1 <= time % 4 < 3 else 20, beep=(0, 7))
    (tmp_path / "lights.mp4").write_bytes(film.make())
    return tmp_path


def test_a_film_is_chosen_sent_and_played_by_keyboard(visit: OpenPage, lights: Path) -> None:
    with service(samples=lights) as address:
        visited = visit(address)
        page = visited.page
        chosen_and_sent_by_keyboard(visited)
        page.keyboard.press("ArrowRight")
        until_time(page, "> 0.9")
        drawn = page.locator(".label").all_inner_texts()
        page.keyboard.press("1")
        visited.settle()
        left = page.locator(".label").all_inner_texts()
        page.keyboard.press("[")
        page.keyboard.press("ArrowRight")
        until_time(page, "> 1.9")
        page.keyboard.press("]")
        repeated = page.locator(".loop-told").inner_text()
        page.keyboard.press("Escape")
        page.keyboard.press("Space")
        page.wait_for_function("() => !document.querySelector('.picture video').paused")
        page.keyboard.press("Space")

    assert len(drawn) == len(left) + 1
    assert repeated.startswith("Repeats 0:01")


def test_the_timeline_is_read_by_keyboard(visit: OpenPage, lights: Path) -> None:
    with service(samples=lights) as address:
        visited = visit(address)
        page = visited.page
        chosen_and_sent_by_keyboard(visited)
        page.keyboard.press("End")
        until_time(page, "> 7")
        tab_to(page, ".ruler")
        page.keyboard.press("Home")
        until_time(page, "< 0.1")
        told = page.locator(".ruler").get_attribute("aria-valuetext")
        tab_to(page, ".parts:has(li + li) .part")
        first = focused(page)
        page.keyboard.press("ArrowRight")
        second = focused(page)
        tab_to(page, ".toggle")
        page.keyboard.press("Enter")
        visited.settle()
        pressed = page.evaluate("() => document.activeElement.getAttribute('aria-pressed')")
        tab_to(page, ".sentences .seek")

    assert told == "0:00.0 of 0:08.0"
    assert first != second
    assert pressed == "false"


def test_a_part_is_repeated_until_told_otherwise(visit: OpenPage, film: bytes) -> None:
    with service() as address:
        visited = visit(address)
        visited.choose("clip.mp4", film)
        visited.answer()
        visited.page.locator(".wave").scroll_into_view_if_needed()
        box = visited.page.locator(".wave").bounding_box()
        assert box is not None
        mouse, y = visited.page.mouse, box["y"] + 20
        mouse.move(box["x"] + box["width"] * 3 / 8, y)
        mouse.down()
        mouse.move(box["x"] + box["width"] * 4 / 8, y, steps=4)
        mouse.up()
        told = visited.page.locator(".loop-told").inner_text()
        visited.page.locator(".picture video").evaluate(
            "film => { window.turns = 0;"
            " film.addEventListener('seeked', () => { window.turns += 1 }) }"
        )
        visited.page.get_by_role("button", name="Play (space)").click()
        visited.page.wait_for_function("() => window.turns >= 2")
        time = visited.page.evaluate("() => document.querySelector('.picture video').currentTime")
        visited.page.get_by_role("button", name="Stop repeating").click()
        visited.page.wait_for_function(
            "() => document.querySelector('.picture video').currentTime > 4.3"
        )

    assert told == "Repeats 0:03.0 to 0:04.0"
    assert 2.9 <= time <= 4.1


def findings(page: Page) -> list[str]:
    """Return what axe finds to be in the way of somebody."""
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate(
        "() => axe.run(document, { resultTypes: ['violations'] })"
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def unfold(page: Page) -> None:
    for summary in page.locator("summary").all():
        summary.click()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: scripts/web-build")
@pytest.mark.parametrize(
    "look", [{"color_scheme": "light"}, {"color_scheme": "dark"}, {"viewport": (360, 740)}]
)
def test_axe_finds_nothing_serious_in_any_state(
    visit: OpenPage, film: bytes, look: dict[str, Any], tmp_path: Path
) -> None:
    if "viewport" in look:
        look = {"viewport": dict(zip(("width", "height"), look["viewport"], strict=True))}
    (tmp_path / "keys").write_text("secret\n")
    found = {}
    with (
        service(FakeEngine(heard=True), samples="samples") as address,
        service(keys_file=tmp_path / "keys", max_seconds=4) as closed,
    ):
        visited = visit(address, **look)
        visited.page.wait_for_selector("[data-sample]")
        found["start"] = findings(visited.page)
        visited.choose("clip.mp4", film)
        found["chosen"] = findings(visited.page)
        visited.answer()
        visited.seek(2.5)
        unfold(visited.page)
        found["answered"] = findings(visited.page)
        visited.page.keyboard.press("[")
        found["repeating"] = findings(visited.page)
        other = visit(closed, allowed=("Failed to load resource",), **look)
        other.choose("clip.mp4", film)
        other.send()
        other.page.wait_for_selector(".problem")
        found["refused"] = findings(other.page)

    assert {name: some for name, some in found.items() if some} == {}


def test_a_narrow_page_is_not_scrolled_sideways(visit: OpenPage, film: bytes) -> None:
    with service(FakeEngine(heard=True), samples="samples") as address:
        visited = visit(address, viewport={"width": 340, "height": 700})
        widths = [sideways(visited)]
        visited.choose("a name that is long and has no end in sight.mp4", film)
        widths.append(sideways(visited))
        visited.answer()
        unfold(visited.page)
        widths.append(sideways(visited))

    assert widths == [0, 0, 0]


def sideways(visited: Visit) -> int:
    width: int = visited.page.evaluate(
        "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width


def test_the_page_is_dark_where_the_system_is(visit: OpenPage) -> None:
    ground = "() => getComputedStyle(document.body).backgroundColor"
    with service() as address:
        light = visit(address, color_scheme="light").page.evaluate(ground)
        dark = visit(address, color_scheme="dark").page.evaluate(ground)

    assert light == "rgb(245, 246, 248)"
    assert dark == "rgb(15, 17, 21)"


def test_the_first_load_is_small(visit: OpenPage) -> None:
    with service(samples="samples") as address:
        visited = visit(address)
        visited.page.wait_for_selector("[data-sample]")
        sizes = visited.page.evaluate(
            "() => [...performance.getEntriesByType('navigation'),"
            " ...performance.getEntriesByType('resource')].map(one => one.transferSize)"
        )

    assert len(sizes) >= 5
    assert 0 < sum(sizes) < 200_000


def test_a_film_of_ten_minutes_is_shown_and_answered(visit: OpenPage) -> None:
    long = Footage(seconds=600, fps=5, paint=flash_in(302), beep=(1.0, 590.0)).make()
    with service() as address:
        visited = visit(address)
        visited.choose("clip.mp4", long)
        visited.answer()
        visited.page.wait_for_selector(".sound-note:empty", state="attached")
        for _ in range(4):
            visited.page.get_by_role("button", name="Show less of the time (+)").click()
        visited.seek(302.5)
        labels = visited.page.locator(".label").all_inner_texts()
        scrolled = visited.page.locator(".scroll").evaluate("one => one.scrollLeft")

    assert sorted(labels) == ["bell 90 %", "lamp 80 %"]
    assert scrolled > 0
