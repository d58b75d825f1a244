"""Saving by itself in the studio's page: it outlives what breaks, and brings changes together."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from tests.service.web.studio.conftest import OpenStudio, edits, enter, until_saved
from tests.service.web.studio.stand_in import StandIn

LOST = ("Failed to load resource",)


def editor(studio: OpenStudio) -> Page:
    """Open the clip with a layer of one's own."""
    page = studio("#clip=c1", allowed=LOST)
    page.wait_for_selector(".lane-row .part")
    page.locator(".player").focus()
    return page


def test_a_clip_is_accepted_by_keyboard_from_what_the_model_found(
    clip: Page, stand_in: StandIn
) -> None:
    clip.keyboard.press("a")
    until_saved(clip, stand_in)

    assert stand_in.mine["state"] == "accepted"
    assert stand_in.layers["model"]["state"] == "open"


def test_edits_of_a_tab_that_is_killed_without_a_service_are_saved_by_the_next(
    studio: OpenStudio, stand_in: StandIn, address: str
) -> None:
    page = editor(studio)
    page.keyboard.press("a")
    until_saved(page, stand_in)
    page.route("**/layers/mine", lambda route: route.abort())
    page.keyboard.press("l")
    page.wait_for_selector(".saved[data-kind=waiting]")
    told = page.locator(".saved").inner_text()
    other = page.context.new_page()
    page.close()
    enter(other, address, "#clip=c1")
    other.wait_for_selector(".saved[data-kind=saved]")

    assert told.startswith("1 change not yet saved; kept in this browser")
    masks = stand_in.mine["tracks"][0]["masks"]
    assert [one["locked"] for one in masks if one["frame"] == 0] == [True]


def test_a_batch_whose_answer_is_lost_is_saved_once(studio: OpenStudio, stand_in: StandIn) -> None:
    page = editor(studio)
    page.keyboard.press("a")
    until_saved(page, stand_in)
    lost: list[bool] = []

    def lose(route: Route) -> None:
        if lost:
            route.continue_()
            return
        route.fetch()
        lost.append(True)
        route.abort()

    page.route("**/layers/mine", lose)
    page.keyboard.press("r")
    page.wait_for_selector(".saved[data-kind=waiting]")
    page.get_by_role("button", name="Now").click()
    page.wait_for_selector(".saved[data-kind=saved]")

    assert [one["state"] for one in edits(stand_in)] == ["accepted", "rejected"]


def test_what_was_changed_elsewhere_is_brought_together(
    studio: OpenStudio, stand_in: StandIn
) -> None:
    page = editor(studio)
    page.keyboard.press("a")
    until_saved(page, stand_in)
    stand_in.intervals[0]["sentence"] = "a bell tolls"
    stand_in.mine["revision"] += 1
    page.keyboard.press("r")
    until_saved(page, stand_in, 2)

    assert stand_in.mine["state"] == "rejected"
    expect(page.locator(".lane-row .part").first).to_have_text("a bell tolls")


def test_somebody_is_asked_about_what_was_changed_in_two_places(
    studio: OpenStudio, stand_in: StandIn
) -> None:
    kept = {}
    page = editor(studio)
    page.keyboard.press("a")
    until_saved(page, stand_in)
    for choice in ("what I have done here", "what is on the service now"):
        stand_in.intervals[0]["end"] = 3.0
        stand_in.mine["revision"] += 1
        page.locator(".edge-end").first.focus()
        page.keyboard.press("ArrowLeft")
        dialog = page.get_by_role("dialog", name="Changed here and elsewhere")
        expect(dialog.locator("legend")).to_have_text("Intervals and sentences of bell")
        dialog.get_by_label(choice).check()
        dialog.get_by_role("button", name="Go on").click()
        page.wait_for_selector(".saved[data-kind=saved]")
        kept[choice] = stand_in.intervals[0]["end"]

    assert kept == {"what I have done here": 1.98, "what is on the service now": 3.0}
