"""The client for event loops does what the other one does."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import httpx
import pytest

import ssu
from ssu.calls import Call
from ssu.jobs import AsyncJobs, Jobs
from ssuformer.errors import ClipEmpty

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(url: str) -> AsyncIterator[ssu.AsyncClient]:
    async with ssu.AsyncClient(url) as client:
        yield client


async def test_it_answers_as_the_other_client_does(
    client: ssu.AsyncClient, url: str, film: Path
) -> None:
    answer = await client.understand(film, fps=2)
    models = await client.models()

    with ssu.Client(url) as other:
        assert answer.frames == other.understand(film, fps=2).frames
        assert models == other.models()
    assert answer.frames[3].regions[0].mask is not None


async def test_it_streams_windows(client: ssu.AsyncClient, long_clip: bytes) -> None:
    async with client.stream(long_clip) as stream:
        windows = [window async for window in stream]

    assert len(windows) > 1
    assert stream.answer.frames == [frame for window in windows for frame in window]


async def test_clips_are_understood_at_the_same_time(client: ssu.AsyncClient, clip: bytes) -> None:
    answers: list[ssu.Answer] = []

    async def understand() -> None:
        answers.append(await client.understand(clip))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(understand)

    assert len(answers) == 3
    assert answers[0].frames == answers[1].frames == answers[2].frames


async def test_a_problem_is_the_exception_that_the_service_raised(client: ssu.AsyncClient) -> None:
    with pytest.raises(ClipEmpty):
        await client.understand(b"")


async def test_a_busy_service_is_asked_again() -> None:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        problem = {"code": "overloaded", "detail": "full"}
        busy = httpx.Response(429, json=problem, headers={"Retry-After": "0"})
        return busy if len(asked) == 1 else httpx.Response(200, content=b"hello")

    async with ssu.AsyncClient("http://far", transport=httpx.MockTransport(handle)) as client:
        assert await client.ask(Call("GET", "/models")) == b"hello"
    assert asked == ["/models", "/models"]


@pytest.mark.parametrize(
    ("one", "other"), [(ssu.Client, ssu.AsyncClient), (Jobs, AsyncJobs)], ids=["client", "jobs"]
)
async def test_both_have_the_same_methods_with_the_same_arguments(one: type, other: type) -> None:
    told = [
        {
            name: [*inspect.signature(method).parameters]
            for name, method in vars(kind).items()
            if not name.startswith("_") and callable(method)
        }
        for kind in (one, other)
    ]

    shared = {name: told[1].get(name) for name in told[0] if name != "close"}
    assert {name: arguments for name, arguments in told[0].items() if name != "close"} == shared
