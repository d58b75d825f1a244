"""Review in the studio's page: doubts, other layers, another film's sound, two annotators."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.service.web.studio.conftest import OpenStudio, until_saved
from tests.service.web.studio.stand_in import StandIn


def reviewed(studio: OpenStudio, stand_in: StandIn) -> Page:
    """Open a clip with layers of two annotators, in a project with another clip."""
    stand_in.start()
    stand_in.layers["bob"] = {**stand_in.layers["model"], "annotator": "bob"}
    stand_in.clips.append({"id": "c2", "project": "p1", "name": "rain.mp4", "looks": 0})
    page = studio("#clip=c1")
    page.wait_for_selector(".lane-row .part")
    page.locator(".player").focus()
    return page


def test_the_next_doubt_is_gone_to(studio: OpenStudio, stand_in: StandIn) -> None:
    page = reviewed(studio, stand_in)
    page.wait_for_selector(".doubts .seek")
    page.keyboard.press("n")

    expect(page.locator(".frame-told")).to_contain_text("Frame 6 of 20")
    expect(page.locator(".doubts .now")).to_contain_text("No mask")


def test_the_layer_of_somebody_else_is_looked_at_and_not_changed(
    studio: OpenStudio, stand_in: StandIn
) -> None:
    page = reviewed(studio, stand_in)
    page.get_by_label("Layer to show").select_option("bob")
    expect(page.locator(".banner")).to_contain_text("the layer of bob")
    page.locator(".player").focus()
    page.keyboard.press("a")
    expect(page.locator(".notice")).to_contain_text("cannot be changed")
    page.get_by_label("Layer to show").select_option("")
    expect(page.locator(".banner")).to_be_hidden()
    page.locator(".player").focus()
    page.keyboard.press("a")
    until_saved(page, stand_in)

    assert stand_in.layers["bob"]["state"] == "open"
    assert stand_in.mine["state"] == "accepted"


def test_the_model_is_asked_with_another_films_sound(studio: OpenStudio, stand_in: StandIn) -> None:
    page = reviewed(studio, stand_in)
    page.get_by_role("button", name="What does the model say?").click()

    page.get_by_text("With that sound the model says: rain.").wait_for()
    expect(page.locator(".banner")).to_contain_text("another sound")


def test_two_annotators_are_compared_and_agreed(studio: OpenStudio, stand_in: StandIn) -> None:
    page = reviewed(studio, stand_in)
    page.get_by_label("First annotator").select_option("alice")
    page.get_by_label("Second annotator").select_option("bob")
    page.get_by_role("button", name="Compare").click()
    page.get_by_label("What holds of bell and bell").select_option("b")
    page.get_by_role("button", name="Write the agreed layer").click()
    page.get_by_text("The agreed layer is written.").wait_for()

    choice = {"track_a": "t1", "track_b": "t1", "take": "b"}
    assert stand_in.choices == [{"a": "alice", "b": "bob", "choices": [choice]}]
