"""Intervals and sentences in the studio's page: dragged, moved by keys, at onsets."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from tests.service.web.studio.conftest import until_saved
from tests.service.web.studio.stand_in import StandIn

SECONDS = 4.0


def times(stand_in: StandIn) -> list[tuple[float, float]]:
    return [(one["start"], one["end"]) for one in stand_in.intervals]


def drag_edge(page: Page, edge: str, time: float) -> None:
    """Drag an edge of the first interval to a time."""
    handle, row = page.locator(f".edge-{edge}").first, page.locator(".lane-row").first
    handle.scroll_into_view_if_needed()
    at, lane = handle.bounding_box(), row.bounding_box()
    assert at is not None
    assert lane is not None
    y = at["y"] + at["height"] / 2
    page.mouse.move(at["x"] + at["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(lane["x"] + lane["width"] * time / SECONDS, y, steps=5)
    page.mouse.up()


def test_edges_are_dragged_and_go_to_an_onset_nearby(clip: Page, stand_in: StandIn) -> None:
    drag_edge(clip, "end", 2.22)
    until_saved(clip, stand_in, 1)
    snapped = times(stand_in)
    drag_edge(clip, "end", 3.0)
    until_saved(clip, stand_in, 2)
    drag_edge(clip, "start", 3.5)
    until_saved(clip, stand_in, 3)

    assert snapped == [(0.0, 2.2)]
    ((start, end),) = times(stand_in)
    assert abs(end - 3.0) < 0.02
    assert start == round(end - 0.02, 3)
    assert len(stand_in.batches) == 3


def test_edges_are_moved_by_arrows(clip: Page, stand_in: StandIn) -> None:
    clip.locator(".edge-end").first.focus()
    clip.keyboard.press("ArrowLeft")
    until_saved(clip, stand_in, 1)
    near = times(stand_in)
    clip.keyboard.press("Shift+ArrowRight")
    until_saved(clip, stand_in, 2)

    assert near == [(0.0, 1.98)]
    assert times(stand_in) == [(0.0, 2.18)]
    assert clip.evaluate("() => document.activeElement.matches('.edge-end')")


def test_keys_move_split_write_and_remove(clip: Page, stand_in: StandIn) -> None:
    clip.locator(".lane-row .part").first.click()
    clip.locator(".player").focus()
    for key in ("j", "p", "Shift+O", "ArrowRight", "x"):
        clip.keyboard.press(key)
    expect(clip.locator(".lane-row").first.locator(".part")).to_have_count(2)
    until_saved(clip, stand_in)
    first, second = stand_in.intervals
    clip.locator(".lane-row .part").nth(1).click()
    clip.locator(".player").focus()
    clip.keyboard.press("Enter")
    clip.keyboard.type("a bell rings far away")
    clip.locator(".player").focus()
    expect(clip.locator(".lane-row .part").nth(1)).to_have_text("a bell rings far away")
    until_saved(clip, stand_in, 2)
    told = [one["sentence"] for one in stand_in.intervals]
    clip.keyboard.press("Shift+Delete")
    until_saved(clip, stand_in, 3)

    assert (first["start"], first["end"]) == (0.5, 1.0)
    assert [second[name] for name in ("start", "end", "sentence", "inherited")] == [
        1.0,
        1.82,
        None,
        True,
    ]
    assert told == ["a bell rings", "a bell rings far away"]
    assert times(stand_in) == [(0.5, 1.0)]


def test_a_sentence_is_proposed_and_taken(clip: Page, stand_in: StandIn) -> None:
    clip.locator(".lane-row .part").first.click()
    clip.get_by_role("button", name="Propose").click()
    clip.get_by_role("button", name="a bell rings twice").click()
    until_saved(clip, stand_in)

    assert [one["sentence"] for one in stand_in.intervals] == ["a bell rings twice"]


def test_an_interval_begins_where_nothing_sounds_and_inherits(
    clip: Page, stand_in: StandIn
) -> None:
    clip.keyboard.press("End")
    clip.keyboard.press("w")
    until_saved(clip, stand_in)

    new: dict[str, Any] = stand_in.intervals[1]
    assert (new["start"], new["end"], new["sentence"], new["inherited"]) == (3.8, 4.0, None, True)
