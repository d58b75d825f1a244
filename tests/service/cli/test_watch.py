"""`ssu watch`: every finished clip of a folder is answered once, whatever lies beside it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from rich.progress import Progress
from typer.testing import CliRunner, Result

from service.cli import app
from service.cli.clip_report import ReportOptions
from service.cli.temporary_service import hosted
from service.cli.watching import Watch
from ssu.calls import Retry
from ssu.client import Client
from ssuformer.closing import Closing
from ssuformer.errors import SsuError
from tests.service.conftest import small_settings

QUICK = ("--every", 0.05)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with hosted(small_settings(log_level="error")) as address:
        yield address


@pytest.fixture
def film(tmp_path: Path, clip: bytes) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(clip)
    return path


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def ssu(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "120"}).invoke(app, [str(a) for a in arguments])


def answers_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "answers").glob("*")}


def test_each_clip_is_answered_once_and_a_bad_one_does_not_stop_the_others(
    address: str, inbox: Path, film: Path
) -> None:
    (inbox / "a.mp4").write_bytes(b"no film")
    shutil.copy(film, inbox / "b.mp4")
    (inbox / "c.webm").write_bytes(b"")
    (inbox / "notes.txt").write_text("no clip")
    (inbox / "d.mp4").mkdir()

    first = ssu("watch", inbox, "--once", "--url", address, "--json", *QUICK)
    again = ssu("watch", inbox, "--once", "--url", address, "--json", *QUICK)

    told = {Path(one["clip"]).name: one for one in map(json.loads, first.stdout.splitlines())}
    assert first.exit_code == 1
    assert {name: (one["error"] or {}).get("code") for name, one in told.items()} == {
        "a.mp4": "clip_unreadable", "b.mp4": None, "c.webm": "clip_empty",
    }  # fmt: skip
    assert answers_in(inbox) == {"a.mp4.error.json", "b.mp4.json", "c.webm.error.json"}
    assert json.loads(Path(told["b.mp4"]["answer"]).read_bytes())["frames"]
    assert json.loads((inbox / "answers/a.mp4.error.json").read_bytes()) == told["a.mp4"]["error"]
    assert (again.exit_code, again.stdout) == (0, "")


@pytest.mark.parametrize("later", [-3600, 3600], ids=["by-an-older-file", "by-one-of-tomorrow"])
def test_a_clip_that_was_mended_is_answered(
    address: str, inbox: Path, film: Path, later: float
) -> None:
    clip = inbox / "a.mp4"
    clip.write_bytes(b"no film")
    ssu("watch", inbox, "--once", "--url", address, *QUICK)
    shutil.copy(film, clip)
    os.utime(clip, (time.time() + later, time.time() + later))

    result = ssu("watch", inbox, "--once", "--url", address, *QUICK)

    assert result.exit_code == 0, result.output
    assert answers_in(inbox) == {"a.mp4.json"}


def test_further_formats_and_drawings_are_written(address: str, inbox: Path, film: Path) -> None:
    shutil.copy(film, inbox / "a.mp4")
    more = ("--format", "webvtt", "--sheet", "--overlay", "--out", inbox / "answers")

    result = ssu("watch", inbox, "--once", "--url", address, *more, *QUICK)

    assert result.exit_code == 0, result.output
    assert answers_in(inbox) == {
        "a.mp4.json", "a.mp4.vtt", "a.mp4.sheet.png", "a.mp4.overlay.mp4",
    }  # fmt: skip


def test_answers_do_not_go_where_clips_come_from(inbox: Path) -> None:
    result = ssu("watch", inbox, "--out", inbox, "--url", "http://127.0.0.1:1")

    assert result.exit_code == 1
    assert "option_invalid" in result.stderr


class Gate(httpx.HTTPTransport):
    """A way to the service that may be closed."""

    refusal: httpx.Response | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.refusal or super().handle_request(request)


class Looks(Closing):
    """A watch whose looks are taken one by one."""

    def __init__(self, folder: Path, address: str) -> None:
        self.gate = Gate()
        self._client = Client(address, retry=Retry(times=0), transport=self.gate)
        options = ReportOptions(folder=folder / "answers", overlay=False, sheet=False, show=False)
        self._watch = Watch(folder, self._client, options)

    def close(self) -> None:
        self._client.close()

    def take(self) -> list[str]:
        found = list(self._watch._finished())
        for path, seen in found:
            self._watch._answer(path, seen, Progress(disable=True))
        return [path.name for path, _ in found]


@pytest.fixture
def looks(inbox: Path, address: str) -> Iterator[Looks]:
    with Looks(inbox, address) as looks:
        yield looks


def test_a_clip_that_is_still_being_written_is_left_alone(
    looks: Looks, inbox: Path, clip: bytes
) -> None:
    file = inbox / "a.mp4"
    seen = []

    for end in (1000, 2000, len(clip)):
        file.write_bytes(clip[:end])
        os.utime(file, (end, end))
        seen.append(looks.take())
    seen.append(looks.take())

    assert seen == [[], [], [], ["a.mp4"]]
    assert answers_in(inbox) == {"a.mp4.json"}


@pytest.mark.parametrize("code", ["overloaded", "engine_unavailable", "storage_full"])
def test_a_clip_waits_while_the_service_cannot_take_it(
    looks: Looks, inbox: Path, film: Path, code: str
) -> None:
    looks.gate.refusal = httpx.Response(503, json={"code": code, "detail": "later"})
    shutil.copy(film, inbox / "a.mp4")
    tried = [looks.take() for _ in range(4)]
    refused = answers_in(inbox)
    looks.gate.refusal = None
    tried += [looks.take() for _ in range(2)]

    assert tried == [[], ["a.mp4"], [], ["a.mp4"], [], ["a.mp4"]]
    assert refused == set()
    assert answers_in(inbox) == {"a.mp4.json"}


def test_a_clip_waits_while_its_answer_cannot_be_written(
    looks: Looks, inbox: Path, film: Path
) -> None:
    shutil.copy(film, inbox / "a.mp4")
    (inbox / "answers").write_text("in the way")

    tried = [looks.take() for _ in range(2)]
    (inbox / "answers").unlink()
    tried += [looks.take() for _ in range(2)]

    assert tried == [[], ["a.mp4"], [], ["a.mp4"]]
    assert answers_in(inbox) == {"a.mp4.json"}


def test_a_folder_that_goes_away_is_told(looks: Looks, inbox: Path) -> None:
    inbox.rmdir()

    with pytest.raises(SsuError, match="inbox: No such file"):
        looks.take()


def test_a_clip_that_goes_away_is_forgotten(looks: Looks, inbox: Path, film: Path) -> None:
    shutil.copy(film, inbox / "a.mp4")

    looks.take()
    (inbox / "a.mp4").unlink()

    assert looks.take() == []
    assert answers_in(inbox) == set()


def test_a_watch_goes_on_until_it_is_stopped(address: str, inbox: Path, film: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "service.cli",
        "watch",
        str(inbox),
        "--url",
        address,
        "--every",
        "0.1",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for name in ("a.mp4", "b.mp4"):
                shutil.copy(film, inbox / name)
                end = time.monotonic() + 30
                while not (inbox / "answers" / f"{name}.json").exists():
                    assert process.poll() is None
                    assert time.monotonic() < end
                    time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGTERM)
        _, words = process.communicate(timeout=10)

    assert process.returncode == 0
    assert words.splitlines()[-1] == "stopping"
