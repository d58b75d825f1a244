"""`ssu jobs` against a server that has jobs as they are documented."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from tests.service.formats.made import made
from tests.ssu.jobs_server import JobsServer


@pytest.fixture
def server() -> JobsServer:
    return JobsServer(made().model_dump_json().encode(), failing=frozenset([b"broken"]))


@pytest.fixture
def address(server: JobsServer) -> Iterator[str]:
    """The server on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = httpx.Request(
                self.command, f"http://here{self.path}", headers=dict(self.headers), content=body
            )
            response = server(request)
            self.send_response(response.status_code)
            self.send_header("Content-Length", str(len(response.content)))
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_address[1]}"
        http.shutdown()
        thread.join()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"film")
    return path


def ssu(*arguments: object, url: str) -> Result:
    runner = CliRunner(env={"COLUMNS": "120", "SSU_URL": url})
    return runner.invoke(app, ["jobs", *map(str, arguments)])


def test_a_clip_is_sent_waited_for_and_its_result_is_written(
    address: str, server: JobsServer, film: Path, tmp_path: Path
) -> None:
    sent = json.loads(ssu("submit", film, "--fps", 2, "--json", url=address).stdout)
    waited = ssu("wait", sent["id"], "--out", tmp_path / "film.json", url=address)
    printed = ssu("wait", sent["id"], "--out", "-", "--format", "webvtt", url=address)

    assert (sent["state"], server.jobs[sent["id"]]["options"]) == (
        "waiting", {"file_name": "film.mp4", "fps": "2.0", "captions": "true"},
    )  # fmt: skip
    assert server.jobs[sent["id"]]["clip"] == b"film"
    assert waited.exit_code == 0, waited.output
    assert json.loads((tmp_path / "film.json").read_bytes())["frames"]
    assert printed.stdout == "WEBVTT"


def test_a_url_is_fetched_by_the_service(address: str, server: JobsServer) -> None:
    result = ssu("submit", "https://films.example/a.mp4", "--no-captions", url=address)

    assert result.exit_code == 0, result.output
    assert server.jobs["0"]["options"] == {
        "url": "https://films.example/a.mp4", "captions": "false",
    }  # fmt: skip


def test_jobs_are_shown_for_people_and_for_programs(address: str, film: Path) -> None:
    for _ in range(3):
        ssu("submit", film, url=address)

    listed = ssu("list", url=address)
    told = json.loads(ssu("list", "--most", 2, "--json", url=address).stdout)
    shown = json.loads(ssu("show", "0", "--json", url=address).stdout)

    assert [line.split()[:2] for line in listed.stdout.splitlines()[1:]] == [
        ["2", "waiting"], ["1", "waiting"], ["0", "waiting"],
    ]  # fmt: skip
    assert [job["id"] for job in told] == ["2", "1"]
    assert shown["progress"] == {"seconds_done": 0.0, "seconds_in_all": None}


def test_a_job_that_fails_is_told_with_its_reason(address: str, film: Path) -> None:
    film.write_bytes(b"broken")
    ssu("submit", film, url=address)

    result = ssu("wait", "0", url=address)

    assert result.exit_code == 1
    assert "clip_unreadable" in result.stderr
    assert "clip_unreadable: no film" in ssu("list", url=address).stdout


def test_jobs_that_were_cancelled_are_gone(address: str, server: JobsServer, film: Path) -> None:
    ssu("submit", film, url=address)
    ssu("submit", film, url=address)

    result = ssu("cancel", "0", "1", url=address)

    assert (result.exit_code, server.jobs) == (0, {})
    assert "job_not_found" in ssu("show", "0", url=address).stderr


def test_a_file_that_is_not_there_is_told(address: str, server: JobsServer) -> None:
    result = ssu("submit", "/nowhere.mp4", url=address)

    assert (result.exit_code, server.jobs) == (1, {})
    assert "file_unreadable" in result.stderr


def test_a_service_that_is_not_there_is_out_of_reach() -> None:
    result = ssu("list", url="http://127.0.0.1:1")

    assert result.exit_code == 1
    assert "service_unreachable" in result.stderr
