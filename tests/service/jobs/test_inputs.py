"""Clips that are fetched from a URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.service.conftest import Running
from tests.service.jobs.conftest import ended, jobs_of, send
from tests.service.jobs.receiver import Receiver, answer, receiving

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def fetching(
    folder: Path, answers: list[bytes], *, stall: float = 0.0, **more: object
) -> AsyncIterator[tuple[Running, Receiver, str]]:
    async with receiving(answers, stall=stall) as receiver:
        settings = {
            "input_hosts": f"http://127.0.0.1:{receiver.port}",
            "outgoing_networks": "127.0.0.0/8",
            **more,
        }
        async with jobs_of(folder, None, **settings) as running:
            yield running, receiver, f"http://127.0.0.1:{receiver.port}/film.mp4"


async def test_a_clip_is_fetched_and_understood(tmp_path: Path, clip: bytes) -> None:
    async with fetching(tmp_path, [answer(200, clip)]) as (running, receiver, url):
        done = await ended(running, (await send(running, b"", url=url))["id"])
        result = (await running.client.get(done["result"])).json()
        at_once = (await running.understand(clip)).json()

    assert result["frames"] == at_once["frames"]
    assert len(receiver.calls) == 1


REFUSED = {
    "missing": (answer(404), "input_refused"),
    "redirect": (answer(302, b"", "Location: http://127.0.0.1:1/"), "input_refused"),
    "empty": (answer(200), "clip_empty"),
    "compressed": (answer(200, b"x", "Content-Encoding: gzip"), "clip_unsupported"),
    "no clip": (answer(200, b"no clip " * 100), "clip_unreadable"),
    "larger than stated": (
        b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + b"x" * 200_000,
        "clip_too_large",
    ),
    "stated too large": (answer(200, b"x" * 200_000), "clip_too_large"),
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_is_no_clip_fails_the_job_at_once(tmp_path: Path, kind: str) -> None:
    given, code = REFUSED[kind]
    async with fetching(tmp_path, [given], job_max_bytes=100_000) as (running, receiver, url):
        done = await ended(running, (await send(running, b"", url=url))["id"])

    assert (done["state"], done["error"]["code"]) == ("failed", code)
    assert len(receiver.calls) == 1


async def test_a_host_that_fails_is_asked_again(
    tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.workers._WAIT_SECONDS", 0.05)
    answers = [answer(503), b"", answer(200, clip)]
    async with fetching(tmp_path, answers) as (running, receiver, url):
        done = await ended(running, (await send(running, b"", url=url))["id"])

    assert (done["state"], len(receiver.calls)) == ("done", 3)


async def test_a_host_that_always_fails_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.workers._WAIT_SECONDS", 0.01)
    async with fetching(tmp_path, [answer(503)]) as (running, receiver, url):
        done = await ended(running, (await send(running, b"", url=url))["id"])

    assert (done["state"], done["error"]["code"]) == ("failed", "input_unreachable")
    assert len(receiver.calls) == 5


async def test_a_host_that_is_too_slow_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.workers._MOST_TRIES", 1)
    stalled = b"HTTP/1.1 200 X\r\nContent-Length: 100000\r\n\r\nxxx"
    async with fetching(tmp_path, [stalled], stall=5.0, input_seconds=0.3) as (running, _, url):
        done = await ended(running, (await send(running, b"", url=url))["id"])

    assert (done["state"], done["error"]["code"]) == ("failed", "input_unreachable")
    assert done["error"]["limit"] == 0.3


async def test_a_url_of_a_host_that_is_not_named_is_refused_at_once(tmp_path: Path) -> None:
    async with fetching(tmp_path, [answer(200)]) as (running, receiver, _):
        response = await running.client.post("/jobs", params={"url": "https://other.example/a"})

    assert (response.status_code, response.json()["code"]) == (422, "url_refused")
    assert receiver.calls == []


async def test_what_is_no_url_of_http_is_refused_by_the_options_name(tmp_path: Path) -> None:
    async with fetching(tmp_path, [answer(200)]) as (running, _, _):
        response = await running.client.post("/jobs", params={"url": "file:///etc/passwd"})

    assert (response.status_code, response.json()["code"]) == (422, "url_refused")
    assert response.json()["detail"].startswith("url: this is no URL")


async def test_a_url_in_a_form_is_told_to_go_into_the_query(tmp_path: Path) -> None:
    async with fetching(tmp_path, [answer(200)]) as (running, receiver, url):
        response = await running.client.post("/jobs", files={"url": (None, url)})

    assert (response.status_code, response.json()["code"]) == (422, "option_invalid")
    assert "`url` goes in the query" in response.json()["detail"]
    assert receiver.calls == []


async def test_a_url_and_a_body_are_too_much(tmp_path: Path, clip: bytes) -> None:
    async with fetching(tmp_path, [answer(200)]) as (running, _, url):
        response = await running.client.post("/jobs", params={"url": url}, content=clip)

    assert (response.status_code, response.json()["code"]) == (422, "option_invalid")


async def test_the_same_key_with_the_same_url_is_the_same_job(tmp_path: Path, clip: bytes) -> None:
    async with fetching(tmp_path, [answer(200, clip)]) as (running, _, url):
        first = await send(running, b"", "one", url=url)
        again = await send(running, b"", "one", url=url)
        await ended(running, first["id"])

    assert first["id"] == again["id"]
