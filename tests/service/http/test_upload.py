"""What clients may send at once, how slowly, and what happens when the disk is full."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from service.cli.temporary_service import LOOPBACK, free_port
from tests.service.conftest import Running, run, small_settings
from tests.service.http.raw_client import RawClient, post, service

pytestmark = pytest.mark.anyio

BEGUN = post(b"").replace(b"Length: 0", b"Length: 5000")


def answer(address: str, clip: bytes) -> httpx.Response:
    return httpx.post(f"{address}/understand", content=clip, trust_env=False, timeout=30)


@contextmanager
def stalled(address: str, number: int) -> Iterator[list[RawClient]]:
    """Hold uploads that have begun, and stop."""
    clients = [RawClient(address, BEGUN + b"x" * 10) for _ in range(number)]
    time.sleep(0.3)
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def test_stalled_uploads_take_no_place_in_the_queue(clip: bytes) -> None:
    with service(queue_limit=1) as address, stalled(address, 20):
        assert answer(address, clip).status_code == 200


def test_an_upload_that_stops_or_drips_gets_408_in_time() -> None:
    with service(transfer_seconds=1.0, transfer_rate=1000.0) as address:
        with stalled(address, 1) as (client,):
            began = time.monotonic()
            assert client.problem() == (408, "request_too_slow")
            assert time.monotonic() - began < 3

        client, began = RawClient(address, BEGUN), time.monotonic()
        while time.monotonic() - began < 3:
            client.send_or_be_cut_off(b"x")
            time.sleep(0.1)
        assert client.ended_after() < 1


def test_an_upload_that_is_slow_but_fast_enough_is_answered(clip: bytes) -> None:
    with service(transfer_seconds=1.0, transfer_rate=1000.0) as address:
        client = RawClient(address)
        sent = post(clip, b"Connection: close")
        for part in range(10):
            client.send(sent[part * len(sent) // 10 : (part + 1) * len(sent) // 10])
            time.sleep(0.4)

        assert client.read()[0] == 200


def test_uploads_have_a_number_of_their_own(clip: bytes) -> None:
    with service(uploads=3) as address:
        with stalled(address, 3):
            refused = answer(address, clip)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
            assert "retry-after" in refused.headers
        time.sleep(0.3)
        assert answer(address, clip).status_code == 200


async def pieces(clip: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(clip), 1000):
        yield clip[at : at + 1000]


async def test_uploads_have_a_total_on_disk_that_is_given_back(clip: bytes) -> None:
    form: dict[str, Any] = {"files": {"file": ("a", clip)}}
    async with run(small_settings(upload_disk=len(clip) - 1)) as running:
        for body in ({"content": clip}, {"content": pieces(clip)}, form):
            refused = await running.client.post("/understand", **body)
            assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
        assert running.metric("ssu_admission_rejected_total", reason="upload_disk") == 3
        assert running.metric("ssu_upload_bytes") == 0
    async with run(small_settings(upload_disk=len(clip) + 1000)) as running:
        for _ in range(2):
            for body in ({"content": clip}, {"content": pieces(clip)}, form):
                assert (await running.client.post("/understand", **body)).status_code == 200
        assert running.metric("ssu_upload_bytes") == 0


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every temporary file be one without room, which fails again when it is closed."""

    def full(mode: str = "w+b", buffering: int = -1, **_: object) -> IO[bytes]:
        return Path("/dev/full").open(mode, buffering)

    monkeypatch.setattr(tempfile, "TemporaryFile", full)


@pytest.mark.usefixtures("full_disk")
async def test_a_full_disk_is_507_with_a_code_and_retry_after(clip: bytes) -> None:
    large = clip * (2 * 2**20 // len(clip))
    async with run(small_settings()) as running:
        gc.collect()  # what tests before have left
        before = len(list(Path("/proc/self/fd").iterdir()))
        for body in (clip, large):
            raw = await running.client.post("/understand", content=body)
            form = await running.client.post("/understand", files={"file": ("a", body)})
            for refused in (raw, form):
                assert (refused.status_code, refused.json()["code"]) == (507, "storage_full")
                assert int(refused.headers["retry-after"]) >= 1
        counted = {"route": "/understand", "code": "507", "outcome": "failed", "version": ""}
        assert running.metric("ssu_requests_total", **counted) == 4
        assert running.metric("ssu_upload_bytes") == 0
        assert len(list(Path("/proc/self/fd").iterdir())) == before


async def test_a_disk_without_room_for_a_clip_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async with run(small_settings(max_bytes=10_000)) as running:
        assert (await running.client.get("/readyz")).status_code == 200
        monkeypatch.setattr("service.http.upload._free_bytes", lambda: 9_999)

        unready = await running.client.get("/readyz")

        assert unready.json()["reasons"] == ["storage_full"]
        assert running.metric("ssu_storage_free_bytes") > 0


CHARSETS = ("undefined", "punycode", "idna", "unicode_escape", "hex", "utf-7", "nonsense", "a\tb")


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("name", [b"\xff\xfe-\x80", b"xn--a-\xe4", b"\\N{", b"a"])
async def test_a_charset_of_the_clients_choice_is_no_failure(
    running: Running, charset: str, name: bytes
) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n' % (name, name)
    kind = {"content-type": f"multipart/form-data; boundary=b; charset={charset}"}

    answered = await running.client.post(
        "/understand", content=head + b"x\r\n--b--\r\n", headers=kind
    )

    assert (answered.status_code, answered.json()["code"]) == (422, "option_invalid")


def test_a_stalled_upload_does_not_hold_the_shutdown() -> None:
    port = free_port()
    command = [sys.executable, "-m", "service.cli", "serve", "--engine", "fake"]
    command += ["--port", str(port), "--metrics-port", "0", "--workers", "1"]
    environment = os.environ | {"SSU_DRAIN_SECONDS": "0", "SSU_TRANSFER_SECONDS": "2"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        address = f"http://{LOOPBACK}:{port}"
        for _ in range(300):
            try:
                httpx.get(f"{address}/livez", trust_env=False)
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        with stalled(address, 2), stalled_heads(address):
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=12) == -signal.SIGTERM


@contextmanager
def stalled_heads(address: str) -> Iterator[None]:
    client = RawClient(address, b"GET / HTTP/1.1\r\n")
    yield
    client.close()
