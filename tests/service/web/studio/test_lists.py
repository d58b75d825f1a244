"""The studio's lists: a project is made, clips are sent, prepared and deleted; out and in."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.service.web.studio.conftest import OpenStudio
from tests.service.web.studio.stand_in import StandIn


def test_a_project_is_made_and_clips_are_sent(studio: OpenStudio, stand_in: StandIn) -> None:
    page = studio()
    page.fill("#project-name", "Cats")
    page.fill("#project-fps", "8")
    page.get_by_role("button", name="Make it").click()
    page.get_by_role("heading", name="Cats").wait_for()
    films = [
        {"name": name, "mimeType": "video/mp4", "buffer": stand_in.film}
        for name in ("one.mp4", "two.mp4")
    ]
    page.set_input_files("#clips", films)  # type: ignore[arg-type]
    page.get_by_role("progressbar", name="Preparing one.mp4").wait_for()
    page.get_by_role("link", name="one.mp4").wait_for()
    page.get_by_role("link", name="two.mp4").wait_for()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete one.mp4").click()
    expect(page.locator("[data-clip]")).to_have_count(1)
    page.get_by_role("link", name="two.mp4").click()
    page.get_by_role("heading", name="two.mp4").wait_for()

    assert stand_in.projects[1]["fps"] == 8
    assert [one["name"] for one in stand_in.clips] == ["bell.mp4", "two.mp4"]


def test_a_project_goes_out_and_in(studio: OpenStudio, stand_in: StandIn, tmp_path: Path) -> None:
    page = studio("#project=p1")
    with page.expect_download() as zipped:
        page.get_by_role("button", name="Export").click()
    with page.expect_download() as told:
        page.get_by_role("button", name="Who made what").click()
    archive = tmp_path / "more.zip"
    archive.write_bytes(b"PK")
    page.set_input_files("#import", archive)
    page.get_by_text("Imported into your layers.").wait_for()

    assert zipped.value.suggested_filename == "Bells-coco.zip"
    assert told.value.suggested_filename == "Bells-provenance.jsonl"
    assert stand_in.sent == ["coco more.zip"]
