"""Answers that are sent window by window, while the clip is in work."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.types import Message

from service.engines.fake import FakeEngine
from service.formats.records import read_records
from service.understanding.schemas import Understanding
from ssuformer.errors import EngineError, SsuError
from ssuformer.regions import Float, Segmentation
from tests.service.conftest import Running, run, small_settings
from tests.service.http.raw_client import RawClient, post, service
from tests.service.test_load import LeavingClient, SlowEngine, request_scope
from tests.ssuformer.footage import Footage, flash_in

pytestmark = pytest.mark.anyio

NDJSON = {"Accept": "application/x-ndjson"}
Records = Iterator[dict[str, Any]]


class StoppingEngine(FakeEngine):
    """Answers the probe and one window of a clip; then waits until it is let go on, or fails."""

    def __init__(self, error: SsuError | None = None) -> None:
        super().__init__()
        self.error = error
        self.calls = 0
        self.busy = threading.Event()
        self.go_on = threading.Event()
        self.cancelled = threading.Event()

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        self.calls += 1
        if self.calls > 2:
            await self.wait()
        return await super().segment(frames, waveform, timeout=timeout)

    async def wait(self) -> None:
        if self.error is not None:
            raise self.error
        self.busy.set()
        try:
            while not self.go_on.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@pytest.fixture(scope="module")
def windows() -> bytes:
    """A clip of several windows at ten frames a second, no two of them the same."""
    return Footage(paint=flash_in(2), beep=(0.3, 3.0), seconds=4).make()


@contextmanager
def streamed(address: str, clip: bytes, **headers: str) -> Iterator[tuple[httpx.Response, Records]]:
    """Send a clip; give its response and its records, one by one as they come."""
    with (
        httpx.Client(trust_env=False, timeout=20) as client,
        client.stream(
            "POST", f"{address}/understand?fps=10", content=clip, headers=NDJSON | headers
        ) as response,
    ):
        yield response, map(json.loads, response.iter_lines())


def without_times(answer: Understanding) -> dict[str, Any]:
    return answer.model_dump(exclude={"timings_ms"})


@pytest.mark.parametrize("mask_format", ["rle", "polygon"])
async def test_the_records_are_the_answer_of_the_same_clip_track_by_track_and_mask_by_mask(
    running: Running, windows: bytes, mask_format: str
) -> None:
    options = {"fps": 10, "mask_format": mask_format}
    whole = await running.understand(windows, **options)

    response = await running.understand(windows, format="ndjson", **options)

    lines = response.content.splitlines()
    assert sum(b'"record":"window"' in line for line in lines) > 2
    expected = Understanding.model_validate_json(whole.content)
    assert without_times(read_records(lines)) == without_times(expected)
    assert {track.category for track in expected.tracks} == {"bell", "lamp"}


async def test_events_are_the_same_records(running: Running, windows: bytes) -> None:
    lines = (await running.understand(windows, format="ndjson")).text.splitlines()

    response = await running.client.post(
        "/understand", content=windows, headers={"Accept": "text/event-stream"}
    )

    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    data = [line for line in response.text.splitlines() if line.startswith("data: ")]
    kinds = [line for line in response.text.splitlines() if line.startswith("event: ")]
    assert kinds == ["event: head", "event: window", "event: tail"]
    assert data[:2] == [f"data: {line}" for line in lines[:2]]


def test_a_window_is_sent_while_later_ones_are_in_work(windows: bytes) -> None:
    engine = StoppingEngine()
    with service(engine) as address, streamed(address, windows) as (response, records):
        early = [next(records)["record"], next(records)["record"]]

        engine.go_on.set()
        rest = [record["record"] for record in records]

    assert early == ["head", "window"]
    assert rest[-1] == "tail"
    assert len(rest) > 2
    assert response.headers["x-accel-buffering"] == "no"
    assert "content-length" not in response.headers


def test_heartbeats_say_what_is_being_done_while_nothing_is_ready(windows: bytes) -> None:
    engine = StoppingEngine()
    with (
        service(engine, heartbeat_seconds=0.2) as address,
        streamed(address, windows) as (_, records),
    ):
        beats = [next(records) for _ in range(4)][2:]

        engine.go_on.set()
        rest = list(records)

    assert {beat["record"] for beat in beats} == {"heartbeat"}
    assert {beat["stage"] for beat in beats} == {"segmentation"}
    assert 0.1 < beats[1]["seconds"] - beats[0]["seconds"] < 5
    assert rest[-1]["record"] == "tail"


def test_an_answer_begins_with_a_heartbeat_if_its_first_window_takes_long(windows: bytes) -> None:
    engine = StoppingEngine()
    engine.calls = 1
    with (
        service(engine, heartbeat_seconds=0.2) as address,
        streamed(address, windows) as (response, records),
    ):
        first = next(records)

        engine.go_on.set()
        rest = [record["record"] for record in records if record["record"] != "heartbeat"]

    assert (response.status_code, first["record"]) == (200, "heartbeat")
    assert (rest[0], rest[-1]) == ("head", "tail")


async def test_an_error_after_the_first_byte_is_a_record_with_the_same_problem(
    windows: bytes,
) -> None:
    def broken() -> EngineError:
        return EngineError("the engine broke", limit=3)

    async with run(small_settings(), engine=StoppingEngine(broken())) as running:
        plain = await running.understand(windows, fps=10)
    async with run(small_settings(), engine=StoppingEngine(broken())) as running:
        response = await running.understand(windows, fps=10, format="ndjson")

        last = json.loads(response.text.splitlines()[-1])
        assert plain.status_code == 502
        assert (response.status_code, last["record"], last["status"]) == (200, "error", "failed")
        assert last["problem"] == plain.json()
        said = running.lines[-1]
        assert (said["status"], said["outcome"]) == (200, "failed")
        assert said["code"] == "engine_failed"
        assert running.metric("ssu_upload_bytes") == 0


async def test_an_accident_after_the_first_byte_is_a_record_too_and_is_logged(
    windows: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run(small_settings()) as running:
        monkeypatch.setattr("service.understanding.pipeline.Pipeline._tail", None)

        response = await running.understand(windows, fps=10, format="ndjson")

        last = json.loads(response.text.splitlines()[-1])
        assert (last["record"], last["problem"]["status"]) == ("error", 500)
        assert last["problem"]["code"] == "internal"
        assert [line["event"] for line in running.lines[-2:]] == ["crash", "request"]
        assert running.lines[-1]["outcome"] == "failed"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"no clip" * 50, 422, "clip_unreadable"), (b"", 400, "clip_empty")],
)
async def test_an_error_before_the_first_byte_is_an_ordinary_problem(
    running: Running, body: bytes, status: int, code: str
) -> None:
    response = await running.understand(body, format="ndjson")

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert running.metric("ssu_upload_bytes") == 0


async def test_a_deadline_that_passes_in_between_is_a_record_and_ends_the_work(
    windows: bytes,
) -> None:
    engine = StoppingEngine()
    async with run(small_settings(deadline_seconds=2), engine=engine) as running:
        response = await running.understand(windows, fps=10, format="ndjson")

        last = json.loads(response.text.splitlines()[-1])
        assert response.status_code == 200
        assert (last["problem"]["status"], last["problem"]["code"]) == (504, "deadline_exceeded")
        assert engine.cancelled.is_set()
        assert running.metric("ssu_cancelled_total", stage="segmentation", cause="deadline") == 1
        assert running.metric("ssu_in_work") == 0


def test_a_client_that_leaves_between_two_records_ends_the_work(windows: bytes) -> None:
    engine = StoppingEngine()
    with service(engine, queue_limit=0) as address:
        with streamed(address, windows) as (_, records):
            next(records)
            assert engine.busy.wait(5)

        assert engine.cancelled.wait(2)
        engine.go_on.set()
        assert without_places(address, windows) == 200


def without_places(address: str, clip: bytes) -> int:
    """Return the status of a clip that nothing may be in the way of, in a few tries."""
    for _ in range(50):
        status = httpx.post(f"{address}/understand", content=clip, trust_env=False).status_code
        if status != 429:
            break
        time.sleep(0.1)
    return status


async def test_a_client_that_leaves_before_the_first_record_ends_the_work(clip: bytes) -> None:
    engine = SlowEngine()
    async with run(small_settings(), engine=engine) as running:
        client = LeavingClient(clip, engine.busy)
        scope = {**request_scope(), "query_string": b"format=ndjson"}

        await running.app(scope, client.receive, client.send)

        assert engine.cancelled.is_set()
        cancelled = {"stage": "segmentation", "cause": "disconnect"}
        assert running.metric("ssu_cancelled_total", **cancelled) == 1
        assert running.lines[-1]["outcome"] == "cancelled"


def test_a_client_of_http_1_0_gets_the_records_as_a_whole(windows: bytes) -> None:
    packed = b"Accept-Encoding: gzip"
    request = post(windows, packed, target=b"/understand?fps=10&format=ndjson")
    with service() as address:
        client = RawClient(address, request.replace(b"HTTP/1.1", b"HTTP/1.0", 1))

        status, head, body = client.read()

    assert status == 200
    assert b"chunked" not in head.lower()
    assert b"content-length: %d" % len(body) in head.lower()
    assert read_records(body.splitlines()).tracks


class BusyClient(LeavingClient):
    """Takes nothing more of the answer, once it has begun, until it is told to."""

    def __init__(self, clip: bytes) -> None:
        super().__init__(clip, asyncio.Event())
        self.read_on = asyncio.Event()
        self.body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            await self.read_on.wait()
            self.body += message.get("body", b"")


async def test_a_client_that_does_not_read_does_not_keep_the_worker(windows: bytes) -> None:
    async with run(small_settings()) as running:
        client = BusyClient(windows)
        scope = {**request_scope(), "query_string": b"format=ndjson&fps=10"}
        answer = asyncio.create_task(running.app(scope, client.receive, client.send))
        async with asyncio.timeout(10):
            while not running.metric("ssu_clip_frames_count") or running.metric("ssu_in_work"):
                await asyncio.sleep(0.01)

        assert not client.body
        client.read_on.set()
        await answer
        assert read_records(client.body.splitlines()).tracks
