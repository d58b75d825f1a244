"""For whom the studio works, on its own pages: keyboard alone, screen reader, long films."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.service.web.conftest import PATIENCE
from tests.service.web.studio.real.conftest import (
    Seat,
    call,
    layer_of,
    project_of,
    square,
    until_open,
    until_saved,
)
from tests.service.web.studio.test_access import LOOKS, sideways
from tests.service.web.test_access import AXE, findings, tab_to


def test_a_track_is_made_carried_on_and_accepted_by_keyboard(
    seat: Seat, address: str, mp4: bytes
) -> None:
    project, (clip,) = project_of(address, one_mp4=mp4)
    page = seat(address, "alice", f"#project={project}")
    page.get_by_role("link", name="one.mp4").wait_for()
    tab_to(page, "[data-clip] a")
    page.keyboard.press("Enter")
    page.wait_for_selector(".lane-row", state="attached")
    tab_to(page, ".player")
    page.keyboard.press("t")
    tab_to(page, "#category")
    page.keyboard.type("lamp")
    page.locator("h1").focus()
    tab_to(page, ".surface")
    page.keyboard.press("c")
    for key in ["Shift+ArrowLeft"] * 4 + ["Enter"]:
        page.keyboard.press(key)
    expect(page.locator(".frame-told")).to_contain_text("(click)", timeout=PATIENCE)
    page.keyboard.press("f")
    expect(page.locator(".notice")).to_contain_text("carried on", timeout=PATIENCE)
    page.locator("h1").focus()
    tab_to(page, ".player")
    for key in ("Home", "w", "Enter"):
        page.keyboard.press(key)
    page.keyboard.type("a lamp hums")
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+o")
    page.keyboard.press("a")
    until_saved(page)

    layer = layer_of(address, clip)
    (*_, lamp) = layer["tracks"]
    assert (layer["state"], lamp["category"]) == ("accepted", "lamp")
    assert {one["by"]["tool"] for one in lamp["masks"]} == {"click", "propagate"}
    (interval,) = lamp["intervals"]
    assert (interval["end"], interval["sentence"]) == (0.8, "a lamp hums")


def test_a_clip_that_is_not_there_is_told_of_with_a_way_back(seat: Seat, address: str) -> None:
    page = seat(address, allowed=("Failed to load resource",))
    page.evaluate("() => { location.hash = `clip=${'0'.repeat(32)}` }")
    expect(page.get_by_role("alert")).to_contain_text("It may have been deleted.")
    page.get_by_role("link", name="To all projects").click()
    page.get_by_role("heading", name="Projects").wait_for()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: scripts/web-build")
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious_and_nothing_lies_beside_the_page(
    seat: Seat, address: str, mp4: bytes, look: dict[str, Any]
) -> None:
    project, (clip, _) = project_of(address, one_mp4=mp4, a_name_without_an_end_in_sight_mp4=mp4)
    call(address, "POST", f"/projects/{project}/clips", files={"clip": ("broken.mp4", b"no film")})
    for who in ("alice", "bob"):
        call(address, "POST", f"/clips/{clip}/layers", who, json={"from": "model"})
    page = seat(address, "alice", **look)
    page.wait_for_selector(".cards a")
    found, widths = {"projects": findings(page)}, {"projects": sideways(page)}
    page.goto(f"{address}/studio#project={project}")
    page.wait_for_selector("[data-clip] .bad")
    found["project"], widths["project"] = findings(page), sideways(page)
    page.get_by_role("link", name="one.mp4").click()
    until_open(page)
    page.get_by_role("button", name="Compare").click()
    page.wait_for_selector(".agreement table")
    found["editor"], widths["editor"] = findings(page), sideways(page)

    assert {name: some for name, some in found.items() if some} == {}
    assert widths == dict.fromkeys(widths, 0)


def test_a_film_of_ten_minutes_is_corrected(seat: Seat, address: str) -> None:
    _, (clip,) = project_of(address, long_mp4=square(seconds=600, fps=5, beep=(1.0, 590.0)))
    page = seat(address, "alice", f"#clip={clip}")
    page.keyboard.press("End")
    expect(page.locator(".frame-told")).to_contain_text(" of 300")
    page.keyboard.press("t")
    page.keyboard.press("w")
    page.keyboard.press("Enter")
    page.keyboard.type("it ends")
    page.locator(".player").focus()
    page.keyboard.press("a")
    until_saved(page)

    layer = layer_of(address, clip)
    (*_, track) = layer["tracks"]
    assert layer["state"] == "accepted"
    assert [one["sentence"] for one in track["intervals"]] == ["it ends"]
    assert track["intervals"][0]["start"] > 599
