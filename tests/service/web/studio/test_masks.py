"""Masks made in the studio's page: prompts, brush, keyboard alone, carrying on."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.service.web.studio.conftest import OpenStudio, drag, edits, place, until_saved
from tests.service.web.studio.stand_in import FRAMES, HEIGHT, WIDTH, StandIn


def frames_of(stand_in: StandIn) -> list[int]:
    return sorted(one["frame"] for one in stand_in.mine["tracks"][0]["masks"])


def test_clicks_add_up_and_those_outside_refine(clip: Page, stand_in: StandIn) -> None:
    clip.keyboard.press("c")
    clip.mouse.click(*place(clip, 0.25, 0.5))
    until_saved(clip, stand_in, 1)
    clip.mouse.click(*place(clip, 0.75, 0.5), button="right")
    until_saved(clip, stand_in, 2)

    first, second = stand_in.prompts
    assert first["points"] == [
        {
            "x": pytest.approx(WIDTH / 4, abs=1),
            "y": pytest.approx(HEIGHT / 2, abs=1),
            "inside": True,
        }
    ]
    assert "previous" not in first
    assert [one["inside"] for one in second["points"]] == [True, False]
    assert "previous" in second
    assert [one["tool"] for one in edits(stand_in)] == ["click", "click"]


def test_box_and_stroke_are_dragged(clip: Page, stand_in: StandIn) -> None:
    clip.keyboard.press("b")
    drag(clip, (0.75, 0.5), (0.25, 0.25))
    until_saved(clip, stand_in, 1)
    clip.keyboard.press("s")
    drag(clip, (0.25, 0.5), (0.5, 0.5), (0.5, 0.75))
    until_saved(clip, stand_in, 2)

    box, stroke = stand_in.prompts
    assert box["box"] == pytest.approx([40, 30, 80, 30], abs=1)
    assert len(stroke["stroke"]) >= 5
    assert stroke["stroke"][-1] == pytest.approx([80, 90], abs=1)
    assert [one["tool"] for one in edits(stand_in)] == ["box", "stroke"]


def test_a_box_is_made_without_a_pointer(clip: Page, stand_in: StandIn) -> None:
    clip.keyboard.press("b")
    clip.locator(".surface").focus()
    for key in (
        ["Shift+ArrowLeft"] * 5 + ["Enter"] + ["Shift+ArrowDown"] * 3 + ["Shift+ArrowRight"] * 5
    ):
        clip.keyboard.press(key)
    clip.keyboard.press("Enter")
    until_saved(clip, stand_in)

    assert stand_in.prompts[0]["box"] == pytest.approx([40, 60, 40, 24], abs=1)


def test_brush_locks_the_frame_and_undo_takes_it_back(clip: Page, stand_in: StandIn) -> None:
    clip.keyboard.press("ArrowRight")
    expect(clip.locator(".frame-told")).to_have_text("Frame 6 of 20: no mask")
    clip.keyboard.press("d")
    drag(clip, (0.2, 0.2), (0.4, 0.2))
    until_saved(clip, stand_in, 1)
    expect(clip.locator(".frame-told")).to_contain_text("locked")
    clip.keyboard.press("Control+z")
    until_saved(clip, stand_in, 2)
    clip.keyboard.press("Control+y")
    until_saved(clip, stand_in, 3)

    painted, undone, again = edits(stand_in)
    assert (painted["frame"], painted["locked"], painted["tool"]) == (5, True, "brush")
    assert undone["mask"] is None
    assert again == painted


def test_a_new_track_is_named_and_erased(clip: Page, stand_in: StandIn) -> None:
    clip.keyboard.press("t")
    expect(clip.locator(".lane-row")).to_have_count(3)
    clip.fill("#category", "cat")
    clip.keyboard.press("Enter")
    until_saved(clip, stand_in)
    clip.get_by_role("button", name="Delete this track").click()
    expect(clip.locator(".lane-row")).to_have_count(2)
    clip.keyboard.press("Control+z")
    expect(clip.get_by_role("button", name="cat", exact=True)).to_be_visible()


def test_a_mask_is_carried_on_and_one_undo_takes_it_back(clip: Page, stand_in: StandIn) -> None:
    for _ in range(4):
        clip.keyboard.press(".")
    expect(clip.locator(".frame-told")).to_contain_text("Frame 5 of 20")
    clip.keyboard.press("f")
    expect(clip.locator(".notice")).to_have_text("The mask has been carried on to the end.")
    carried = frames_of(stand_in)
    told = clip.locator(".frame-told").inner_text()
    clip.keyboard.press("Control+z")
    until_saved(clip, stand_in)

    assert carried == list(range(FRAMES))
    assert told == "Frame 20 of 20: mask by alice (propagate)"
    assert frames_of(stand_in) == list(range(5))


def test_carrying_on_is_cancelled(clip: Page, stand_in: StandIn) -> None:
    stand_in.pause = 0.3
    clip.keyboard.press("f")
    expect(clip.locator(".running")).to_have_text(re.compile(r"Frame \d+ of 20"))
    clip.keyboard.press("Escape")
    expect(clip.locator(".notice")).to_contain_text("Cancelled")
    done = len(stand_in.carried)
    clip.wait_for_timeout(1000)

    assert len(stand_in.carried) <= done + 1 < FRAMES - 1
    assert clip.locator(".running").inner_text() == ""
    clip.keyboard.press("a")
    until_saved(clip, stand_in)
    assert stand_in.mine["state"] == "accepted"


def test_masks_are_carried_back_while_something_else_is_changed(
    studio: OpenStudio, stand_in: StandIn
) -> None:
    clip = studio("#clip=c1", allowed=("Failed to load resource",))  # 409: brought together
    clip.wait_for_selector(".lane-row .part")
    clip.locator(".player").focus()
    stand_in.pause = 0.1
    clip.keyboard.press("End")
    clip.keyboard.press("c")
    clip.mouse.click(*place(clip, 0.5, 0.5))
    until_saved(clip, stand_in)
    clip.keyboard.press("Shift+F")
    expect(clip.locator(".running")).to_have_text(re.compile(r"Frame \d+ of 20"))
    clip.keyboard.press("a")
    expect(clip.locator(".notice")).to_contain_text("carried on")
    until_saved(clip, stand_in, 2)

    assert stand_in.carried == list(range(FRAMES - 2, -1, -1))
    assert stand_in.mine["state"] == "accepted"
    tools: list[Any] = [one["by"]["tool"] for one in stand_in.mine["tracks"][0]["masks"]]
    assert tools.count("propagate") == FRAMES - 1
