"""What the log holds: every event is documented, and none has what clients send."""

import ast
import asyncio
import io
import logging
import os
import re
import signal
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.telemetry.places import places
from ssuformer.errors import AnswerIncomplete
from tests.service.conftest import Running, children, run, small_settings

pytestmark = pytest.mark.anyio

KEY, OTHER_KEY = "correct-horse-battery", "another-key-staple"
FILE_NAME, CONTENT, OPTION = "a-private-film.mp4", "a-private-title", "a-private-option"
PRIVATE = (KEY, OTHER_KEY, "Bearer", FILE_NAME, "a-private", CONTENT, OPTION)
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
EVENTS = Path("docs/operations.md")
LEVELS = ("debug", "info", "warning", "error", "exception")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(f"{KEY} name=camera-7\n")
    return file


@pytest.fixture
async def guarded(keys: Path) -> AsyncIterator[Running]:
    async with run(small_settings(keys_file=keys, log_level="debug")) as running:
        yield running


@pytest.fixture
def elsewhere() -> Iterator[io.StringIO]:
    """What Python's own logging would write, at any level, of any library."""
    written, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(written), root.level
    handler.addFilter(lambda record: not record.name.startswith("httpx"))  # the test's own client
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


def holds_nothing_private(*written: str) -> bool:
    return not [word for word in PRIVATE for text in written if word in text]


async def test_an_answered_request_leaves_nothing_of_itself_in_the_log(
    guarded: Running, clip: bytes, elsewhere: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await guarded.client.post(
        "/understand",
        files={"file": (FILE_NAME, clip + CONTENT.encode())},
        headers=AUTHORIZED,
    )

    assert answer.status_code == 200
    assert guarded.lines[-1]["key"] == "camera-7"
    assert holds_nothing_private(
        guarded.written.getvalue(), elsewhere.getvalue(), *capfd.readouterr()
    )


@pytest.mark.parametrize(
    ("status", "path", "more"),
    [
        (401, "/understand", {"headers": {"Authorization": f"Bearer {OTHER_KEY}"}}),
        (401, f"/understand?key={OTHER_KEY}", {}),
        (404, f"/{OPTION}", {"headers": AUTHORIZED}),
        (422, f"/understand?fps={OPTION}", {"headers": AUTHORIZED}),
        (422, "/understand", {"headers": AUTHORIZED, "content": CONTENT.encode() * 99}),
        (415, "/understand", {"headers": {**AUTHORIZED, "Content-Type": f"text/{OPTION}"}}),
        (
            422,
            "/understand",
            {"headers": AUTHORIZED, "files": {"file": (FILE_NAME, CONTENT.encode() * 99)}},
        ),
        (422, "/understand", {"headers": AUTHORIZED, "files": {OPTION: (FILE_NAME, b"x")}}),
        (
            422,
            "/understand",
            {
                "headers": {**AUTHORIZED, "Content-Type": "multipart/form-data; boundary=b"},
                "content": f'--b\r\nContent-Disposition: form-data; name="{FILE_NAME}\r\n'.encode(),
            },
        ),
    ],
)
async def test_a_refused_request_leaves_nothing_of_itself_in_the_log(
    status: int,
    path: str,
    more: dict[str, Any],
    guarded: Running,
    elsewhere: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    answer = await guarded.client.post(path, **more)

    assert answer.status_code == status
    assert guarded.lines[-1]["status"] == status
    assert holds_nothing_private(
        guarded.written.getvalue(), elsewhere.getvalue(), *capfd.readouterr()
    )


@pytest.mark.parametrize("form", ["json", "ndjson"])
async def test_a_crash_is_logged_with_its_places_and_without_its_message(
    form: str,
    guarded: Running,
    clip: bytes,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def crash(*_: object) -> None:
        raise ValueError(f"what is {CONTENT} of {KEY}?")

    monkeypatch.setattr("service.understanding.pipeline.Pipeline._tail", crash)

    await guarded.client.post(f"/understand?format={form}", content=clip, headers=AUTHORIZED)

    (said,) = [line for line in guarded.lines if line["event"] == "crash"]
    assert re.search(
        r'File ".+test_logs.py", line \d+, in crash\nbuiltins.ValueError', said["exception"]
    )
    assert said["request_id"] == guarded.lines[-1]["request_id"]
    assert holds_nothing_private(
        guarded.written.getvalue(), elsewhere.getvalue(), *capfd.readouterr()
    )


async def test_what_the_server_is_told_of_a_crash_after_the_first_byte_has_no_message(
    guarded: Running, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise ValueError(f"what is {CONTENT} of {KEY}?")

    monkeypatch.setattr("service.understanding.pipeline.Pipeline._tail", crash)
    transport = httpx.ASGITransport(guarded.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(AnswerIncomplete) as raised:
            await client.post("/understand?format=ndjson", content=clip, headers=AUTHORIZED)

    shown = "".join(traceback.format_exception(raised.value))
    assert holds_nothing_private(shown)


async def test_a_decoder_s_error_that_quotes_the_clip_is_logged_without_the_quote(
    keys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = small_settings(keys_file=keys, log_level="debug")
    async with run(settings, program="tests.service.telemetry.gossip") as running:
        answer = await running.client.post(
            "/understand", content=CONTENT.encode() * 9, headers=AUTHORIZED
        )

    failed, request, _ = running.lines[-3:]
    assert (answer.status_code, failed["event"]) == (422, "decoding_process_failed")
    assert re.search(r"in _quoting\nbuiltins.ValueError$", failed["stderr"])
    assert failed["cause"] == "exception"
    for name in ("request_id", "trace_id"):
        assert failed[name] == request[name]
    assert holds_nothing_private(running.written.getvalue(), *capfd.readouterr())


async def test_a_decoding_process_that_dies_is_logged_under_the_request_it_died_in(
    guarded: Running, clip: bytes
) -> None:
    (child,) = children()
    os.kill(child, signal.SIGSTOP)
    asking = asyncio.create_task(
        guarded.client.post("/understand", content=clip, headers=AUTHORIZED)
    )
    await asyncio.sleep(0.3)
    os.kill(child, signal.SIGKILL)
    answer = await asking

    (failed,) = [line for line in guarded.lines if line["event"] == "decoding_process_failed"]
    assert answer.status_code == 200
    assert failed["request_id"] == answer.headers["x-request-id"]


async def test_lines_that_belong_to_no_request_name_none(guarded: Running) -> None:
    await guarded.client.get("/limits", headers=AUTHORIZED)

    started = [line for line in guarded.lines if line["event"] in ("started", "sandbox")]

    assert len(started) == 2
    assert not any("request_id" in line for line in started)


def test_the_places_of_an_error_are_those_of_its_causes_too() -> None:
    def first() -> None:
        raise KeyError(CONTENT)

    def second() -> None:
        try:
            first()
        except KeyError as error:
            raise RuntimeError(CONTENT) from error

    with pytest.raises(RuntimeError) as raised:
        second()

    found = places(raised.value)
    assert found.index("in first\nbuiltins.KeyError") < found.index("builtins.RuntimeError")
    assert CONTENT not in found


def test_every_event_of_the_log_is_documented_with_its_fields() -> None:
    described = dict(_described())

    found: dict[str, set[str]] = {}
    for file in sorted(Path("service").rglob("*.py")):
        for event, fields in _events(file):
            found.setdefault(event, set()).update(fields)

    assert described == found


def _described() -> Iterator[tuple[str, set[str]]]:
    """Every event in the table of the documentation, and the fields that it names."""
    section = EVENTS.read_text().partition("## What the log holds")[2].partition("\n## ")[0]
    for line in section.splitlines():
        if line.startswith("| `"):
            _, events, _, fields, _ = line.split("|")
            for event in re.findall(r"`(\w+)`", events):
                yield event, set(re.findall(r"`(\w+)`", fields))


def _events(file: Path) -> Iterator[tuple[str, set[str]]]:
    """Every event that a file logs, and its fields."""
    tree = ast.parse(file.read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        logs = [one for one in (call.func, *call.args) if _is_of_a_log(one)]
        texts = [one for one in call.args if isinstance(one, ast.Constant | ast.JoinedStr)]
        if not logs or not texts:
            continue
        extra = {"exception"} if getattr(logs[0], "attr", "") == "exception" else set()
        fields = {str(word.arg) for word in call.keywords} | extra
        for event in _names(texts[0], calls):
            yield event, fields


def _is_of_a_log(node: ast.expr) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr not in (*LEVELS, "log"):
        return False
    return ast.unparse(node.value).endswith("log")


def _names(text: ast.expr, calls: list[ast.Call]) -> Iterator[str]:
    """The text of an event; for `model_{result}`, each result that the file notes."""
    if isinstance(text, ast.Constant):
        yield str(text.value)
        return
    for call in calls:
        if ast.unparse(call.func) == "self._note" and isinstance(call.args[0], ast.Constant):
            yield "model_" + str(call.args[0].value)
