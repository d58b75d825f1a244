"""Nothing is lost: a service that is killed, a tab that is killed, two tabs at one layer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Error, Page, expect

from service.cli.temporary_service import free_port
from tests.service.jobs.conftest import PYTHON
from tests.service.web.studio.conftest import drag, enter
from tests.service.web.studio.real.conftest import (
    Seat,
    layer_of,
    new_track,
    project_of,
    say,
    settings_in,
    until,
    until_open,
    until_saved,
)

LOST = ("Failed to load resource",)


class Served:
    """`ssu serve` with a studio, in a process of its own, that can be killed and begun again."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.address = f"http://127.0.0.1:{port}"
        settings = settings_in(folder) | {"metrics_port": 0}
        named = {f"SSU_{name.upper()}": str(value) for name, value in settings.items()}
        self._environment = os.environ | named
        self._words = [PYTHON, "-m", "service.cli", "serve", f"--port={port}", "--engine=fake"]
        self._log = folder / "log"
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            process = subprocess.Popen(self._words, env=self._environment, stdout=log, stderr=log)
        until(lambda: self._answers(process))
        return process

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.poll() is None, self._log.read_text()
        try:
            return httpx.get(f"{self.address}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def begin_again(self) -> None:
        self.process = self._started()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    one = Served(tmp_path)
    yield one
    one.kill()


def test_a_service_that_is_killed_amid_edits_loses_none(
    seat: Seat, served: Served, mp4: bytes
) -> None:
    _, (clip,) = project_of(served.address, one_mp4=mp4)
    page = seat(served.address, "alice", f"#clip={clip}", allowed=LOST)
    new_track(page, "lamp")
    until_saved(page)
    page.keyboard.press("d")
    painted(page, 0)
    served.kill()
    painted(page, 1)
    painted(page, 2)
    page.wait_for_selector(".saved[data-kind=waiting]")
    say_without_service(page, "a lamp hums")
    served.begin_again()
    until_saved(page)

    (*_, lamp) = layer_of(served.address, clip)["tracks"]
    assert lamp["category"] == "lamp"
    assert [one["frame"] for one in lamp["masks"]] == [0, 1, 2]
    assert [one["sentence"] for one in lamp["intervals"]] == ["a lamp hums"]


def painted(page: Page, frame: int) -> None:
    """Paint in a frame, and go on."""
    drag(page, (0.2, 0.2 + 0.1 * frame), (0.4, 0.2 + 0.1 * frame))
    expect(page.locator(".frame-told")).to_contain_text(f"Frame {frame + 1} of")
    expect(page.locator(".frame-told")).to_contain_text("(brush)")
    page.keyboard.press(".")


def say_without_service(page: Page, text: str) -> None:
    page.keyboard.press("w")
    page.keyboard.press("Enter")
    page.keyboard.type(text)
    page.locator(".player").focus()


def test_a_tab_and_its_service_that_are_killed_lose_nothing(
    seat: Seat, served: Served, mp4: bytes
) -> None:
    _, (clip,) = project_of(served.address, one_mp4=mp4)
    page = seat(served.address, "alice", f"#clip={clip}", allowed=LOST)
    new_track(page, "lamp")
    until_saved(page)
    served.kill()
    page.keyboard.press("d")
    painted(page, 0)
    page.wait_for_selector(".saved[data-kind=waiting]")
    other = page.context.new_page()
    crashed(page)
    served.begin_again()
    enter(other, served.address, f"#clip={clip}", key="alice-secret")
    expect(other.locator(".notice")).to_contain_text("saved now")
    until_saved(other)

    (*_, lamp) = layer_of(served.address, clip)["tracks"]
    assert [one["frame"] for one in lamp["masks"]] == [0]


def crashed(page: Page) -> None:
    """End the process of a tab, as the system does that is short of memory."""
    with page.expect_event("crash"), suppress(Error):
        page.goto("chrome://crash")  # goes nowhere: the process that is there ends at once


def test_two_tabs_at_one_layer_are_brought_together(seat: Seat, address: str, mp4: bytes) -> None:
    _, (clip,) = project_of(address, one_mp4=mp4)
    one = seat(address, "alice", f"#clip={clip}", allowed=LOST)  # 409: brought together
    new_track(one, "lamp")
    until_saved(one)
    other = one.context.new_page()
    enter(other, address, f"#clip={clip}", key="alice-secret")
    until_open(other)
    one.keyboard.press("d")
    painted(one, 0)
    until_saved(one)
    other.keyboard.press("2")
    other.keyboard.press("d")
    other.keyboard.press(".")
    painted(other, 1)
    until_saved(other)
    expect(other.locator(".frame-told")).to_contain_text("Frame 3")
    say(other, "a lamp hums")

    (*_, lamp) = layer_of(address, clip)["tracks"]
    assert [one["frame"] for one in lamp["masks"]] == [0, 1]
    assert [one["sentence"] for one in lamp["intervals"]] == ["a lamp hums"]


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [("what I have done here", "it is mine"), ("what is on the service now", "it was theirs")],
)
def test_what_two_tabs_say_of_one_thing_is_asked_about(
    seat: Seat, address: str, mp4: bytes, choice: str, sentence: str
) -> None:
    _, (clip,) = project_of(address, one_mp4=mp4)
    one = seat(address, "alice", f"#clip={clip}", allowed=LOST)
    new_track(one, "lamp")
    say(one, "first")
    other = one.context.new_page()
    enter(other, address, f"#clip={clip}", key="alice-secret")
    until_open(other)
    other.keyboard.press("2")
    rewrite(other, "it was theirs")
    until_saved(other)
    rewrite(one, "it is mine")
    dialog = one.get_by_role("dialog", name="Changed here and elsewhere")
    expect(dialog.locator("legend")).to_have_text("Intervals and sentences of lamp")
    dialog.get_by_label(choice).check()
    dialog.get_by_role("button", name="Go on").click()
    until_saved(one)

    (*_, lamp) = layer_of(address, clip)["tracks"]
    assert [one["sentence"] for one in lamp["intervals"]] == [sentence]


def rewrite(page: Page, text: str) -> None:
    page.keyboard.press("Enter")
    page.get_by_label("Sentence of the interval").fill(text)
    page.locator(".player").focus()
