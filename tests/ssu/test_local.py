"""The models in this process, and what can be done with an answer here."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import ssu
from service.formats.catalogue import NAMES, named
from ssuformer.errors import ClipUnreadable, ConfigError, DeadlineExceeded, OptionError


@pytest.fixture(scope="module")
def models() -> Iterator[ssu.Local]:
    with ssu.Local(engine="fake") as models:
        yield models


@pytest.fixture
def answer(models: ssu.Local, film: Path) -> ssu.Answer:
    return models.understand(film)


def test_the_answer_is_that_of_the_service(models: ssu.Local, film: Path, url: str) -> None:
    here = models.understand(film, fps=2, mask_size="engine")

    with ssu.Client(url) as client:
        there = client.understand(film, fps=2, mask_size="engine")
    assert here.model_copy(update={"timings_ms": {}}) == there.model_copy(update={"timings_ms": {}})


def test_frames_come_while_the_clip_is_in_work(models: ssu.Local, long_clip: bytes) -> None:
    with models.stream(long_clip) as stream:
        first = next(iter(stream))
        with pytest.raises(ssu.SsuError):
            _ = stream.answer

    again = models.understand(long_clip)
    assert first == again.frames[: len(first)]
    assert len(first) < len(again.frames)


@pytest.mark.parametrize(
    ("clip", "options", "kind"),
    [
        (b"no film", {}, ClipUnreadable),
        (b"film", {"fps": 99}, OptionError),
        (b"film", {"speed": 2}, OptionError),
    ],
    ids=["no-film", "too-fast", "unknown"],
)
def test_errors_are_those_of_the_service(
    models: ssu.Local, clip: bytes, options: dict[str, object], kind: type[ssu.SsuError]
) -> None:
    with pytest.raises(kind):
        models.understand(clip, **options)  # type: ignore[arg-type]


def test_an_answer_that_takes_too_long_is_given_up(models: ssu.Local, clip: bytes) -> None:
    with pytest.raises(DeadlineExceeded):
        models.understand(clip, deadline=1e-4)


CLOSED = """
import sys, threading
import ssu
from tests.service.conftest import descendants

with ssu.Local(engine="fake") as models:
    models.understand(sys.argv[1])
    with models.stream(sys.argv[1]) as stream:
        next(iter(stream))
    assert list(descendants()), "nothing to be closed"
models.close()
assert not list(descendants()), list(descendants())
assert threading.active_count() == 1, threading.enumerate()
"""


def test_what_was_opened_is_closed(film: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", CLOSED, film], capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", "")


FORGOTTEN = """
import sys
import ssu
from tests.service.conftest import descendants

def work():
    last = ssu.Local(engine="fake")
    last.understand(sys.argv[1])
    return last

kept = work()
work()
print(*descendants())
"""


def test_what_was_not_closed_ends_with_the_program(film: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FORGOTTEN, film], capture_output=True, text=True, check=False
    )

    processes = [Path("/proc") / number for number in ended.stdout.split()]
    end = time.monotonic() + 10
    while any(process.exists() for process in processes) and time.monotonic() < end:
        time.sleep(0.05)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert processes
    assert not any(process.exists() for process in processes)


def test_models_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ssu.SsuError, match=str(tmp_path)):
        ssu.Local(models=tmp_path)


def test_a_missing_engine_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "service.engines.embedded", raising=False)

    with pytest.raises(ConfigError, match=r"onnxruntime.*pip install 'ssuformer\[cpu\]'"):
        ssu.Local(engine="onnx")


def test_one_call_is_enough(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSU_ENGINE", "fake")

    answer = ssu.understand(film)
    with ssu.stream(film) as stream:
        frames = list(stream.frames())

    assert answer.frames == frames


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_is_written_in_every_format(
    answer: ssu.Answer, tmp_path: Path, name: str
) -> None:
    path = answer.save(tmp_path / f"film{named(name).suffix}")

    assert path.stat().st_size > 0
    if name not in ("json", "overlay", "sheet"):
        assert path.read_bytes() == answer.to(name)


def test_an_answer_is_given_as_coco_and_subtitles(answer: ssu.Answer) -> None:
    assert len(answer.to_coco()["images"]) == 4
    assert answer.to_webvtt().startswith("WEBVTT")
    assert "a bell is ringing." in answer.to_srt()


def test_json_is_what_the_service_sent(url: str, film: Path) -> None:
    with ssu.Client(url) as client:
        sent = client.written(film, "json")

    assert json.loads(ssu.Answer.read(sent).to_json()) == json.loads(sent)


def test_an_answer_that_was_kept_is_opened_again(answer: ssu.Answer, film: Path) -> None:
    path = answer.save(film.with_suffix(".json"))

    alone, beside = ssu.Answer.open(path), ssu.Answer.open(path, clip=film)

    assert alone.to_json() == beside.to_json() == answer.to_json()
    assert beside.to("sheet").startswith(b"\x89PNG")
    with pytest.raises(OptionError, match="needs the clip"):
        alone.to("sheet")


def test_what_a_newer_service_adds_is_kept(answer: ssu.Answer) -> None:
    body = json.loads(answer.to_json())
    body["frames"][0]["mood"] = "calm"

    read = ssu.Answer.read(body)

    assert json.loads(read.to_json())["frames"][0]["mood"] == "calm"


def test_a_notebook_shows_the_sheet_and_every_track(answer: ssu.Answer, film: Path) -> None:
    page = answer._repr_html_()
    film.unlink()
    without = answer._repr_html_()

    assert "data:image/png;base64," in page
    assert "a bell is ringing." in page
    assert "data:image" not in without
    assert "a bell is ringing." in without


def test_letters_of_an_answer_are_no_html(answer: ssu.Answer) -> None:
    body = json.loads(answer.to_json())
    body["tracks"][0]["category"] = "<script>"

    assert "<script>" not in ssu.Answer.read(body)._repr_html_()


LIGHT = """
import sys

for name in ("av", "fastapi", "onnxruntime", "orjson", "PIL", "pycocotools", "rich", "typer"):
    sys.modules[name] = None  # not installed

import ssu
from service.command import run

answer = ssu.Answer.open(sys.argv[1])
assert answer.frames[1].regions[0].mask.any()
for refused in (ssu.Local, answer.to_coco, lambda: answer.save("film.vtt")):
    try:
        refused()
    except ssu.SsuError as error:
        assert "pip install 'ssuformer[cpu]'" in error.message, error
    else:
        raise AssertionError(refused)
assert "nothing" not in answer._repr_html_()
try:
    run()
except SystemExit as end:
    assert "pip install" in end.code
"""


def test_the_client_needs_none_of_the_services_packages(answer: ssu.Answer, tmp_path: Path) -> None:
    kept = answer.save(tmp_path / "film.json")

    ended = subprocess.run(
        [sys.executable, "-c", LIGHT, kept], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr


def test_a_format_that_there_is_not_is_told_with_those_that_there_are(
    answer: ssu.Answer, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="webvtt"):
        answer.to("svg")
    with pytest.raises(OptionError, match=r"\.vtt"):
        answer.save(tmp_path / "film.svg")


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSU_ENGINE", "steam")

    with pytest.raises(ConfigError, match="SSU_ENGINE"):
        ssu.Local()
