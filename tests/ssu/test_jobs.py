"""Jobs, against a server that has them as they are documented, and against the real one."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

import ssu
from service.cli.temporary_service import hosted
from ssu import jobs as ssu_jobs
from ssuformer.errors import ClipUnreadable, DeadlineExceeded, JobNotFound, OptionError
from tests.service.conftest import small_settings
from tests.service.formats.made import made
from tests.ssu.jobs_server import JobsServer

BROKEN = b"broken"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssu_jobs, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def server() -> JobsServer:
    return JobsServer(made().model_dump_json().encode(), failing=frozenset([BROKEN]))


@pytest.fixture
def client(server: JobsServer) -> Iterator[ssu.Client]:
    with ssu.Client("http://far", transport=httpx.MockTransport(server)) as client:
        yield client


def test_a_job_is_sent_waited_for_and_its_result_is_an_answer(
    client: ssu.Client, server: JobsServer, film: Path
) -> None:
    states: list[str] = []

    sent = client.jobs.submit(film, fps=2, captions=False, webhook="https://hooks.example/ssu")
    ended = client.jobs.wait(sent.id, told=lambda job: states.append(job.state))
    answer = client.jobs.result(sent.id, clip=film)

    assert (sent.state, ended.state, states) == ("waiting", "done", ["waiting", "working", "done"])
    assert ended.progress.seconds_done == ended.progress.seconds_in_all == 4.0
    assert server.jobs[sent.id]["clip"] == film.read_bytes()
    assert server.jobs[sent.id]["options"] == {
        "file_name": "film.mp4", "fps": "2", "captions": "false", "webhook": "https://hooks.example/ssu",
    }  # fmt: skip
    assert [frame.time for frame in answer.frames] == [frame.time for frame in made().frames]
    assert client.jobs.written(sent.id, "webvtt") == b"WEBVTT"


def test_a_job_that_failed_raises_the_error_of_its_clip(client: ssu.Client) -> None:
    job = client.jobs.submit(BROKEN)

    with pytest.raises(ClipUnreadable, match="no film") as raised:
        client.jobs.wait(job.id)
    assert raised.value.limit == 3


def test_a_request_that_has_to_be_repeated_gives_one_job(
    client: ssu.Client, server: JobsServer
) -> None:
    server.refuse = 2

    first = client.jobs.submit(b"film")
    other = client.jobs.submit(b"film")

    assert (first.id, other.id, len(server.jobs)) == ("0", "1", 2)


def test_the_same_key_gives_the_same_job(client: ssu.Client) -> None:
    jobs = [client.jobs.submit(b"film", key="film-7") for _ in range(2)]

    assert jobs[0].id == jobs[1].id


def test_a_clip_may_be_fetched_by_the_service(client: ssu.Client, server: JobsServer) -> None:
    job = client.jobs.submit(url="https://films.example/a.mp4")

    assert server.jobs[job.id]["options"] == {"url": "https://films.example/a.mp4"}
    with pytest.raises(OptionError):
        client.jobs.submit()
    with pytest.raises(OptionError):
        client.jobs.submit(b"film", url="https://films.example/a.mp4")


def test_all_jobs_are_listed_the_newest_first_page_by_page(client: ssu.Client) -> None:
    sent = [client.jobs.submit(b"film").id for _ in range(5)]

    assert [job.id for job in client.jobs.list()] == sent[::-1]


def test_a_job_that_was_cancelled_is_gone(client: ssu.Client) -> None:
    job = client.jobs.submit(b"film")

    client.jobs.cancel(job.id)

    with pytest.raises(ssu.SsuError) as raised:
        client.jobs.get(job.id)
    assert raised.value.code == "job_not_found"


def test_waiting_ends_after_the_seconds_that_were_given(client: ssu.Client) -> None:
    job = client.jobs.submit(b"film")

    with pytest.raises(DeadlineExceeded, match="is waiting"):
        client.jobs.wait(job.id, seconds=0)


@pytest.mark.anyio
async def test_the_client_for_event_loops_has_jobs_too(server: JobsServer) -> None:
    transport = httpx.MockTransport(server)
    async with ssu.AsyncClient("http://far", transport=transport) as client:
        job = await client.jobs.submit(b"film")
        ended = await client.jobs.wait(job.id)
        answer = await client.jobs.result(job.id)
        listed = [one.id async for one in client.jobs.list()]
        await client.jobs.cancel(job.id)

    assert (ended.state, listed, server.jobs) == ("done", [job.id], {})
    assert answer.tracks


@pytest.mark.skipif(find_spec("service.jobs") is None, reason="the service has no jobs")
def test_the_real_gateway_has_jobs_as_the_client_expects_them(tmp_path: Path, film: Path) -> None:
    settings = small_settings(log_level="error", jobs=f"sqlite:///{tmp_path}/jobs.sqlite")
    with hosted(settings) as url, ssu.Client(url) as client:
        jobs = [client.jobs.submit(film, key="film-7") for _ in range(2)]
        broken = client.jobs.submit(b"no film")
        ended = client.jobs.wait(jobs[0].id, seconds=60)
        answer = client.jobs.result(jobs[0].id)
        with pytest.raises(ClipUnreadable):
            client.jobs.wait(broken.id, seconds=60)
        listed = [job.id for job in client.jobs.list()]
        client.jobs.cancel(ended.id)
        with pytest.raises(ssu.SsuError) as raised:
            client.jobs.get(ended.id)

        assert answer.frames == client.understand(film).frames
    assert jobs[0].id == jobs[1].id
    assert listed == [broken.id, jobs[0].id]
    assert raised.value.code == "job_not_found"


@pytest.mark.parametrize("job", ["a/../../limits", "..", ".", "a?b=c#d", "a%2Fb", "ä"])
def test_an_id_leads_to_no_other_route(job: str) -> None:
    asked: list[tuple[str, bytes]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.raw_path))
        return httpx.Response(404, json={"code": "job_not_found", "detail": "there is none"})

    with ssu.Client("http://far/base", transport=httpx.MockTransport(handle)) as client:
        calls = (client.jobs.get, client.jobs.wait, client.jobs.result, client.jobs.cancel)
        for call in calls:
            with pytest.raises(JobNotFound):
                call(job)

    for _, path in asked:
        parts = path.decode().partition("?")[0].split("/")
        assert parts[:3] == ["", "base", "jobs"]
        assert unquote(parts[3]) == job
        assert parts[3] not in (".", "..")
        assert parts[4:] in ([], ["result"])
    assert len(asked) == len(calls)
