"""What the page sends, and what it makes of that which comes back."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest

from service.engines.fake import FakeEngine
from service.formats.catalogue import NAMES
from ssuformer.errors import EngineUnavailable
from tests.service.http.raw_client import service
from tests.service.http.test_streams import StoppingEngine
from tests.service.web.conftest import OpenPage, Visit
from tests.service.web.relay import relayed
from tests.service.web.test_looking import answer_to
from tests.ssuformer.footage import Footage, flash_in

FAILED_TO_LOAD = "Failed to load resource"


@pytest.fixture(scope="module")
def film() -> bytes:
    """Twelve seconds: more than a window of the model. A beep from second 1 to 9."""
    return Footage(seconds=12, paint=flash_in(2), beep=(1.0, 9.0), fps=10).make()


def stage(visited: Visit, *words: str) -> None:
    """Wait until the progress says these words."""
    for word in words:
        visited.page.locator(".progress").get_by_text(word).first.wait_for()


def test_limits_are_told_before_anything_is_chosen(visit: OpenPage) -> None:
    with service(max_bytes=5_000_000, max_seconds=90) as address:
        visited = visit(address)
        told = visited.page.locator(".limits")
        told.get_by_text("Up to").wait_for()

        assert "Up to 5.0 MB and 1 min 30 s" in told.inner_text()
        assert "webm" in told.inner_text()


def test_a_film_over_a_limit_is_not_sent_but_a_part_of_it_is(visit: OpenPage, film: bytes) -> None:
    with service(max_seconds=8) as address:
        visited = visit(address)
        sent: list[str] = []
        visited.page.on("request", lambda request: sent.append(request.method))
        visited.choose("clip.mp4", film)
        button = visited.page.get_by_role("button", name="Find what sounds")
        told = visited.page.locator(".choices .told").inner_text()
        refused = button.is_disabled()
        visited.page.get_by_label("to second").fill("6")
        visited.answer()

    assert told == "It lasts 12 s; the limit is 8 s. You can ask for a part."
    assert refused
    assert sent.count("POST") == 1


def test_a_film_is_sent_by_being_dropped_and_by_being_recorded(
    visit: OpenPage, film: bytes
) -> None:
    with service() as address:
        visited = visit(address)
        dropped = visited.page.evaluate_handle(
            "bytes => { const data = new DataTransfer();"
            " data.items.add(new File([Uint8Array.from(bytes)], 'dropped.mp4'));"
            " return data }",
            list(film),
        )
        visited.page.dispatch_event("body", "drop", {"dataTransfer": dropped})
        visited.until_shown()
        title = visited.page.locator("h1").inner_text()
        visited.page.get_by_role("button", name="Another film").click()
        visited.page.get_by_role("button", name="Record").click()
        visited.page.locator(".recorder").get_by_role("button", name="Record").click()
        visited.page.wait_for_timeout(2500)
        visited.page.locator(".recorder").get_by_role("button", name="Stop").click()
        visited.until_shown()
        visited.answer()
        recorded = float(visited.page.locator(".ruler").get_attribute("aria-valuemax") or 0)

        assert title == "dropped.mp4"
        assert visited.page.locator("h1").inner_text().startswith("recording.")
        assert 1 < recorded < 20


def test_samples_are_offered_if_there_are_any(visit: OpenPage, tmp_path: Path) -> None:
    with service(samples="samples") as address, service(samples=tmp_path) as bare:
        visited = visit(address)
        visited.page.locator("[data-sample='music-solo.mp4']").click()
        visited.until_shown()
        visited.answer()
        other = visit(bare)
        other.page.locator(".limits").get_by_text("Up to").wait_for()

        assert visited.page.locator("h1").inner_text() == "music-solo.mp4"
        assert other.page.locator("[data-sample]").count() == 0


def test_upload_and_work_are_seen_while_the_answer_comes_window_by_window(
    visit: OpenPage, film: bytes, tmp_path: Path
) -> None:
    engine = StoppingEngine()
    # More than the buffers of the connections take.
    padding = struct.pack(">I4s", 16 * 2**20, b"free") + bytes(16 * 2**20 - 8)
    (tmp_path / "clip.mp4").write_bytes(film + padding)
    with (
        service(engine, heartbeat_seconds=0.2, probe_seconds=3600) as address,
        relayed(address) as relay,
    ):
        visited = visit(relay.address)
        visited.page.set_input_files("#file", tmp_path / "clip.mp4")
        visited.until_shown()
        relay.flowing.clear()
        visited.send()
        stage(visited, "Sending the film", "% sent")
        share = float(visited.page.locator("progress").get_attribute("value") or 1)
        relay.flowing.set()
        stage(visited, "Looking and listening", "understood")
        visited.page.wait_for_selector(".sentences .lines li")
        visited.seek(2.0)
        drawn = visited.covered().any()
        engine.go_on.set()
        visited.page.wait_for_selector(".result")
        visited.settle()
        visited.seek(8.0)

        assert share < 1
        assert drawn
        assert visited.covered().any()


def test_cancel_ends_the_work_and_keeps_what_has_come(visit: OpenPage, film: bytes) -> None:
    engine = StoppingEngine()
    with service(engine, heartbeat_seconds=0.2, probe_seconds=3600) as address:
        visited = visit(address)
        visited.choose("clip.mp4", film)
        visited.send()
        stage(visited, "understood")
        visited.page.get_by_role("button", name="Cancel").click()
        notice = visited.page.locator(".trouble .notice").inner_text()
        ended = engine.cancelled.wait(10)
        visited.seek(2.0)
        kept = visited.covered().any()
        engine.go_on.set()
        visited.answer()

    assert notice == "Cancelled. What had come is kept."
    assert ended
    assert kept


def test_a_lost_connection_is_told_and_the_film_can_be_sent_again(
    visit: OpenPage, film: bytes
) -> None:
    engine = StoppingEngine()
    with (
        service(engine, heartbeat_seconds=0.2, probe_seconds=3600) as address,
        relayed(address) as relay,
    ):
        visited = visit(relay.address, allowed=(FAILED_TO_LOAD,))
        visited.choose("clip.mp4", film)
        visited.send()
        stage(visited, "understood")
        relay.cut()
        problem = visited.page.locator(".problem")
        problem.wait_for()
        told = problem.inner_text()
        engine.go_on.set()
        visited.answer()

    assert "connection was lost" in told
    assert "What had come before is kept" in told
    assert visited.page.locator(".problem").count() == 0


def test_errors_say_what_is_wrong_and_what_to_do(visit: OpenPage) -> None:
    with service() as address:
        visited = visit(address, allowed=(FAILED_TO_LOAD,))
        visited.page.set_input_files(
            "#file", {"name": "notes.mp4", "mimeType": "video/mp4", "buffer": b"no film" * 99}
        )
        visited.page.get_by_text("This browser cannot show the film").wait_for()
        visited.send()
        problem = visited.page.locator(".problem")
        problem.wait_for()

        assert problem.get_attribute("data-code") == "clip_unreadable"
        assert "Save it anew as MP4" in problem.inner_text()
        assert visited.page.get_by_role("button", name="Find what sounds").is_enabled()


def test_an_error_in_the_middle_of_an_answer_is_told_like_one_before(
    visit: OpenPage, film: bytes
) -> None:
    engine = StoppingEngine(EngineUnavailable("the model is being loaded"))
    with service(engine, probe_seconds=3600) as address:
        visited = visit(address)
        visited.choose("clip.mp4", film)
        visited.send()
        problem = visited.page.locator(".problem")
        problem.wait_for()

        assert problem.get_attribute("data-code") == "engine_unavailable"
        assert "The model is being loaded." in problem.inner_text()
        assert "at the earliest" in problem.inner_text()


def test_a_key_is_asked_for_and_kept_in_this_tab_alone(
    visit: OpenPage, film: bytes, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("secret\n")
    with service(keys_file=tmp_path / "keys") as address:
        visited = visit(address, allowed=(FAILED_TO_LOAD,))
        field = visited.page.locator("#key")
        field.fill("wrong")
        visited.page.get_by_role("button", name="Use").click()
        visited.page.get_by_text("The service wants another key").wait_for()
        field.fill("secret")
        visited.page.get_by_role("button", name="Use").click()
        visited.page.get_by_text("The key is right").wait_for()
        visited.choose("clip.mp4", film)
        visited.answer()
        curl = visited.page.locator(".result pre").first.inner_text()
        stored = visited.page.evaluate("() => [sessionStorage.length, localStorage.length]")
        cookies = visited.page.context.cookies()

    assert "$SSU_KEY" in curl
    assert "secret" not in visited.page.url + curl
    assert stored == [1, 0]
    assert cookies == []


def test_the_page_works_behind_a_prefix(visit: OpenPage, film: bytes) -> None:
    with service(root_path="/films/ssu") as address:
        for path in ("/films/ssu", "/films/ssu/"):
            visited = visit(address, path)
            visited.choose("clip.mp4", film)
            visited.answer()

            assert f"{address}/films/ssu/understand" in visited.page.locator(".result").inner_text()


def test_the_line_for_a_shell_and_the_files_hold_the_same_answer(
    visit: OpenPage, film: bytes, tmp_path: Path
) -> None:
    name = 'it\'s a, "film"; 1.mp4'
    (tmp_path / name).write_bytes(film)
    with service() as address:
        visited = visit(address)
        visited.choose(name, film)
        visited.page.get_by_label("Frames per second").select_option("2")
        visited.page.get_by_label("to second").fill("7.5")
        visited.answer()
        expected = answer_to(address, film, fps=2, end=7.5)
        line = visited.page.locator(".result pre").first.inner_text()
        by_curl = json.loads(subprocess.check_output(["bash", "-c", line], cwd=tmp_path))
        visited.page.get_by_text("Download").click()
        offered = visited.page.locator("[data-format]").all_inner_texts()
        saved = {}
        for format in ("json", "webvtt", "sheet"):
            with visited.page.expect_download() as download:
                visited.page.locator(f"[data-format='{format}']").click()
            saved[format] = download.value.path().read_bytes(), download.value.suggested_filename

    del expected["timings_ms"], by_curl["timings_ms"]
    in_hand = json.loads(saved["json"][0])
    del in_hand["timings_ms"]
    assert by_curl == expected
    assert in_hand == expected
    assert saved["webvtt"][0].startswith(b"WEBVTT")
    assert saved["sheet"][0].startswith(b"\x89PNG")
    assert saved["webvtt"][1].endswith("1.vtt")
    assert offered == list(NAMES)


def test_warnings_and_times_are_told_in_words(visit: OpenPage) -> None:
    silent = Footage(seconds=4, beep=None).make()
    with service() as address:
        visited = visit(address)
        visited.choose("clip.mp4", silent)
        visited.answer()
        warning = visited.page.locator(".warnings li")
        visited.page.get_by_text("Processing time").click()

        assert warning.get_attribute("data-code") == "silent_audio"
        assert visited.page.locator(".timings li").get_by_text("Reading pictures").is_visible()
        assert visited.page.locator(".lines").inner_text() == "Nothing was found that sounds."


def test_a_film_that_the_browser_cannot_show_has_its_masks_all_the_same(visit: OpenPage) -> None:
    strange = Footage(container="avi", video="mpeg4", audio="libmp3lame", beep=(0, 4)).make()
    with service() as address:
        visited = visit(address)
        visited.page.set_input_files(
            "#file", {"name": "tape.avi", "mimeType": "video/avi", "buffer": strange}
        )
        visited.page.get_by_text("This browser cannot show the film").wait_for()
        visited.answer()
        visited.seek(3.0)

        assert visited.covered().any()
        assert visited.page.get_by_role("button", name="Play (space)").is_disabled()


def test_a_job_has_a_link_that_shows_its_answer_later(
    visit: OpenPage, film: bytes, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/jobs.sqlite"
    with service(jobs=store, max_bytes=50_000) as address:
        visited = visit(address)
        visited.choose("clip.mp4", film)
        checked = visited.page.get_by_label("As a job").is_checked()
        visited.answer()
        link = visited.page.locator(".result pre").last.inner_text()
        later = visit(address, link.removeprefix(address))
        later.page.wait_for_selector(".result")
        later.settle()
        later.seek(5.0)
        later.page.get_by_text("Download").click()
        with later.page.expect_download() as download:
            later.page.locator("[data-format='srt']").click()

        assert checked
        assert "#job=" in link
        assert later.covered().any()
        assert download.value.path().read_text().startswith("1\n")


def test_a_job_that_is_not_there_is_told(visit: OpenPage, tmp_path: Path) -> None:
    with service(jobs=f"sqlite:///{tmp_path}/jobs.sqlite") as address:
        visited = visit(address, "/#job=nothing", allowed=(FAILED_TO_LOAD,))
        problem = visited.page.locator(".problem")
        problem.wait_for()

        assert problem.get_attribute("data-code") == "job_not_found"


def test_what_is_pointed_at_is_heard_alone(visit: OpenPage, film: bytes) -> None:
    log = """() => {
      window.heard = [];
      const play = HTMLMediaElement.prototype.play;
      HTMLMediaElement.prototype.play = function () {
        if (this instanceof HTMLAudioElement) {
          window.heard.push(this.currentTime);
          this.addEventListener("pause", () => window.heard.push(this.currentTime), { once: true });
        }
        return play.call(this);
      };
    }"""
    with service(FakeEngine(heard=True)) as address:
        visited = visit(address)
        visited.page.evaluate(log)
        visited.choose("clip.mp4", film)
        visited.answer()
        part = visited.page.locator(".part[data-start='2']").first
        part.hover()
        before = visited.page.evaluate("() => window.heard.length")
        visited.page.get_by_label("Listen on hover").check()
        part.hover()
        visited.page.wait_for_function("() => window.heard.length === 2")
        start, end = visited.page.evaluate("() => window.heard")
        stated = float(part.get_attribute("data-end") or 0)

    assert before == 0
    assert start == pytest.approx(2.0, abs=0.05)
    assert end == pytest.approx(stated, abs=0.1)
