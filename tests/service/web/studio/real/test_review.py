"""Review with the studio itself: queue, doubts, another film's sound; files out and in."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

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


def owl(address: str, clip: str) -> None:
    """Have alice say that something sounds through the whole film which is nowhere to be seen."""
    call(address, "POST", f"/clips/{clip}/layers", json={"from": None})
    span = {"start": 0.0, "end": 4.0, "sentence": "an owl hoots", "inherited": False}
    edits = [
        {"op": "put_track", "track": {"id": "t1", "category": "owl", "instance": 1}},
        {"op": "put_intervals", "track": "t1", "intervals": [span]},
    ]
    body = {"id": "e1", "base_revision": 1, "edits": edits}
    call(address, "PATCH", f"/clips/{clip}/layers/mine", json=body)


def names(page: Page) -> list[str]:
    return page.locator("[data-clip] a").all_inner_texts()


def test_clips_are_listed_by_doubt_and_doubts_are_gone_through(
    seat: Seat, address: str, mp4: bytes
) -> None:
    project, (_, doubtful) = project_of(address, sure_mp4=mp4, owl_mp4=mp4)
    owl(address, doubtful)
    page = seat(address, "alice", f"#project={project}")
    page.wait_for_selector("[data-clip]")
    listed = names(page)
    page.get_by_role("link", name="owl.mp4").click()
    until_open(page)
    doubts = page.locator(".doubts .seek")
    expect(doubts.first).to_be_visible()
    told = doubts.all_inner_texts()
    page.keyboard.press("n")
    expect(page.locator(".doubts .now")).to_have_count(1)

    assert listed == ["owl.mp4", "sure.mp4"]
    assert any("Owl 1 sounds, but nothing of it is marked" in one for one in told), told


def test_doubts_follow_what_is_changed(seat: Seat, address: str, mp4: bytes) -> None:
    _, (clip,) = project_of(address, owl_mp4=mp4)
    owl(address, clip)
    page = seat(address, "alice", f"#clip={clip}")
    expect(page.locator(".doubts").first).to_contain_text("Owl 1 sounds")
    page.get_by_role("button", name="Delete this track").click()
    until_saved(page)

    expect(page.locator(".doubts").first).not_to_contain_text("Owl 1 sounds")


def test_a_project_is_deleted_by_who_made_it(seat: Seat, address: str) -> None:
    made = call(address, "POST", "/projects", "bob", json={"name": "Of bob"})["id"]
    page, other = seat(address, "bob"), seat(address, "alice")
    other.get_by_role("link", name="Of bob").wait_for()
    offered = other.get_by_role("button", name="Delete Of bob").count()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete Of bob").click()
    expect(page.get_by_role("link", name="Of bob")).to_have_count(0)

    assert offered == 0
    projects = call(address, "GET", "/projects")["projects"]
    assert made not in [one["id"] for one in projects]


def test_the_model_is_asked_with_the_sound_of_another_film(
    seat: Seat, address: str, mp4: bytes
) -> None:
    _, (clip, _) = project_of(address, loud_mp4=mp4, silent_mp4=square(beep=None))
    page = seat(address, "alice", f"#clip={clip}")
    page.get_by_role("button", name="What does the model say?").click()
    page.get_by_text("With that sound the model says: nothing sounds.").wait_for(timeout=PATIENCE)

    assert {one["category"] for one in layer_of(address, clip, "model")["tracks"]} == {"bell"}


def test_a_file_that_is_wrong_changes_nothing_and_its_place_is_told(
    seat: Seat, address: str, mp4: bytes, tmp_path: Path
) -> None:
    project, (clip,) = project_of(address, one_mp4=mp4)
    owl(address, clip)
    before = layer_of(address, clip)
    page = seat(address, "alice", f"#project={project}", allowed=("Failed to load resource",))
    page.get_by_label("Format").select_option("coco")
    wrong = tmp_path / "one.coco.json"
    wrong.write_text('{"categories": [], "images": [], "annotations": [{"bbox": [0, 0, 1]}]}')
    page.set_input_files("#import", wrong)
    expect(page.locator("[role=status]", has_text="annotations[0]")).to_be_visible()

    assert layer_of(address, clip) == before


def test_who_made_what_is_downloaded(seat: Seat, address: str, mp4: bytes, tmp_path: Path) -> None:
    project, (clip,) = project_of(address, one_mp4=mp4)
    owl(address, clip)
    page = seat(address, "alice", f"#project={project}")
    with page.expect_download() as told:
        page.get_by_role("button", name="Who made what").click()
    told.value.save_as(tmp_path / "told")
    lines: list[Any] = [json.loads(line) for line in (tmp_path / "told").read_text().splitlines()]

    assert {line["by"]["who"] for line in lines} == {"alice", "model"}


def test_every_format_is_downloaded(seat: Seat, address: str, mp4: bytes, tmp_path: Path) -> None:
    project, _ = project_of(address, one_mp4=mp4)
    page = seat(address, "alice", f"#project={project}")
    forms = page.get_by_label("Format")
    page.get_by_label("Layer").select_option("model")
    for name in forms.locator("option").evaluate_all("all => all.map(one => one.value)"):
        forms.select_option(name)
        with page.expect_download() as made:
            page.get_by_role("button", name="Export").click()
        made.value.save_as(tmp_path / name)
        with zipfile.ZipFile(io.BytesIO((tmp_path / name).read_bytes())) as archive:
            assert archive.namelist(), name
        page.wait_for_timeout(150)  # of more than ten within a second, Chromium drops the rest
