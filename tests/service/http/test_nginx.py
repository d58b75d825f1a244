"""The service behind a real nginx, with the configuration of the documentation."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.cli.temporary_service import free_port
from service.formats.records import read_records
from service.settings import Settings
from service.understanding.schemas import Understanding
from tests.service.http.raw_client import service
from tests.service.http.test_streams import StoppingEngine, streamed, without_times
from tests.ssuformer.footage import Footage, flash_in

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")

EXAMPLE = Path("docs/proxies/nginx.conf")
_AROUND = """
daemon off;
pid {folder}/pid;
error_log {folder}/errors notice;
{user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{example}
}}
"""


@contextmanager
def nginx(backend: str, folder: Path, **replaced: str) -> Iterator[str]:
    """Run nginx with the example, in front of this service; yield its address."""
    example, port = EXAMPLE.read_text(), free_port()
    for old, new in {
        "listen 80;": f"listen 127.0.0.1:{port};",
        "127.0.0.1:8000": backend.removeprefix("http://"),
        **replaced,
    }.items():
        assert old in example
        example = example.replace(old, new)
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "conf").write_text(_AROUND.format(folder=folder, user=user, example=example))
    process = subprocess.Popen(["nginx", "-p", folder, "-c", folder / "conf", "-e", "stderr"])
    try:
        wait_for(f"http://127.0.0.1:{port}/livez", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            httpx.get(url, trust_env=False).raise_for_status()
            return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("nginx ended")


@pytest.fixture(scope="module")
def windows() -> bytes:
    return Footage(paint=flash_in(2), beep=(0.3, 3.0), seconds=4).make()


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_window_comes_through_while_later_ones_are_in_work(
    windows: bytes, tmp_path: Path, encoding: str
) -> None:
    engine = StoppingEngine()
    with (
        service(engine) as backend,
        nginx(backend, tmp_path) as address,
        streamed(address, windows, **{"Accept-Encoding": encoding}) as (response, records),
    ):
        early = [next(records)["record"], next(records)["record"]]

        engine.go_on.set()
        rest = [record["record"] for record in records]

    assert early == ["head", "window"]
    assert rest[-1] == "tail"
    assert response.headers.get("content-encoding", "identity") == encoding
    assert "x-request-id" in response.headers


def test_a_clip_larger_than_what_nginx_takes_by_itself_gets_its_whole_answer(
    windows: bytes, tmp_path: Path
) -> None:
    clip = windows + bytes(3 * 2**20)
    with service() as backend, nginx(backend, tmp_path) as address:
        whole = httpx.post(f"{address}/understand?fps=10", content=clip, trust_env=False)

        with streamed(address, clip) as (_, records):
            lines = [json.dumps(record).encode() for record in records]

    expected = Understanding.model_validate_json(whole.content)
    assert without_times(read_records(lines)) == without_times(expected)


def test_heartbeats_outlast_the_patience_of_nginx(windows: bytes, tmp_path: Path) -> None:
    engine = StoppingEngine()
    impatient = {"proxy_read_timeout 150s;": "proxy_read_timeout 1s;"}
    with (
        service(engine, heartbeat_seconds=0.2) as backend,
        nginx(backend, tmp_path, **impatient) as address,
        streamed(address, windows) as (_, records),
    ):
        beats = [next(records)["record"] for _ in range(14)][2:]

        engine.go_on.set()
        rest = [record["record"] for record in records]

    assert set(beats) == {"heartbeat"}
    assert rest[-1] == "tail"


def test_a_client_that_leaves_nginx_ends_the_work(windows: bytes, tmp_path: Path) -> None:
    engine = StoppingEngine()
    with service(engine) as backend, nginx(backend, tmp_path) as address:
        with streamed(address, windows) as (_, records):
            next(records)
            assert engine.busy.wait(5)

        assert engine.cancelled.wait(5)


def test_a_problem_comes_through_as_it_is(tmp_path: Path) -> None:
    with service(None, max_bytes=1000) as backend, nginx(backend, tmp_path) as address:
        response = httpx.post(f"{address}/understand", content=bytes(2**20), trust_env=False)

    assert (response.status_code, response.json()["code"]) == (413, "clip_too_large")


def test_nginx_ends_idle_connections_before_the_service_does() -> None:
    from tests.service.conftest import small_settings

    settings, example = small_settings(), EXAMPLE.read_text()
    found = dict(
        line.strip().partition(";")[0].split(maxsplit=1)
        for line in example.splitlines()
        if line.strip().partition(";")[0].count(" ") == 1
    )

    assert float(found["keepalive_timeout"].removesuffix("s")) < settings.idle_seconds
    assert int(found["keepalive_requests"]) < settings.connection_requests
    assert float(found["proxy_read_timeout"].removesuffix("s")) > settings.deadline_seconds


def test_nginx_takes_the_bodies_that_the_service_takes() -> None:
    limits = [Settings.model_fields[name].default for name in ("max_bytes", "job_max_bytes")]

    found = re.findall(r"client_max_body_size (\d+)m;", EXAMPLE.read_text())

    assert [int(size) for size in found] == [limit // 2**20 + 1 for limit in limits]


def test_a_job_has_a_larger_body_than_a_request(windows: bytes, tmp_path: Path) -> None:
    smaller = {"client_max_body_size 257m;": "client_max_body_size 1m;"}
    clip = windows + bytes(2 * 2**20)
    with (
        service(None, jobs=f"sqlite:///{tmp_path}/jobs/jobs.sqlite") as backend,
        nginx(backend, tmp_path, **smaller) as address,
    ):
        at_once, later = (
            httpx.post(f"{address}{path}", content=clip, trust_env=False)
            for path in ("/understand", "/jobs")
        )

        with httpx.stream(
            "GET", f"{address}/jobs/{later.json()['id']}/events", trust_env=False
        ) as events:
            last = [line for line in events.iter_lines() if line.startswith("event:")][-1]

    assert (at_once.status_code, later.status_code) == (413, 202)
    assert last == "event: done"
