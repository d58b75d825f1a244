"""Gateways that are killed: what was acknowledged is there, what was begun is finished."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.temporary_service import free_port
from tests.service.jobs.conftest import PATIENCE, PYTHON
from tests.service.studio.conftest import API, KEYS, put_mask, put_track, square_at
from tests.ssuformer.footage import Footage

HEADERS = {"Authorization": "Bearer alice-secret"}
LEASE_SECONDS = 1.5


class OtherGateway:
    """A gateway with a studio in a process of its own."""

    def __init__(self, folder: Path, store: str, *, window_seconds: float = 0.0) -> None:
        keys = folder / "keys"
        keys.write_text(KEYS)
        port = free_port()
        settings = {
            "SSU_JOBS": store,
            "SSU_JOBS_FOLDER": str(folder / "files"),
            "SSU_JOB_LEASE_SECONDS": f"{LEASE_SECONDS}",
            "SSU_KEYS_FILE": str(keys),
            "SSU_STUDIO": "true",
            "SSU_STUDIO_MASKS": "grabcut",
            "SSU_DECODE_THREADS": "1",
            "SSU_WORKERS": "1",
        }
        self._log = folder / f"{port}.log"
        words = [PYTHON, "-m", "tests.service.jobs.slow_gateway", str(port), f"{window_seconds}"]
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                words, env=os.environ | settings, stdout=log, stderr=log
            )
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}{API}", trust_env=False, timeout=PATIENCE,
            headers=HEADERS,
        )  # fmt: skip
        self.until(self._ready)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return self.client.get("/projects").status_code == 200
        except httpx.TransportError:
            return False

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, self._log.read_text()
            time.sleep(0.05)

    def get(self, path: str) -> Any:  # noqa: ANN401
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, **more: Any) -> Any:  # noqa: ANN401
        answer = self.client.post(path, **more)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def patch(self, clip: str, revision: int, identity: str, *edits: object) -> httpx.Response:
        body = {"id": identity, "base_revision": revision, "edits": edits}
        return self.client.patch(f"/clips/{clip}/layers/mine", json=body)

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path, store_url: str) -> Any:  # noqa: ANN401
    started: list[OtherGateway] = []

    def begin(**more: float) -> OtherGateway:
        started.append(OtherGateway(tmp_path, store_url, **more))
        return started[-1]

    yield begin
    for one in started:
        one.kill()


def sent(gateway: OtherGateway, film: bytes) -> str:
    project = gateway.post("/projects", json={"name": "films"})["id"]
    return str(gateway.post(f"/projects/{project}/clips", files={"clip": ("a.mp4", film)})["id"])


def test_a_clip_that_was_in_preparation_is_taken_up_again(
    start: Callable[..., OtherGateway], film: bytes
) -> None:
    first = start(window_seconds=30.0)
    clip = sent(first, film)
    first.until(lambda: '"studio_clip_taken"' in first._log.read_text())
    assert first.get(f"/clips/{clip}")["state"] == "preparing"

    first.kill()
    second = start()

    second.until(lambda: bool(second.get(f"/clips/{clip}")["state"] == "ready"))
    assert second.get(f"/clips/{clip}/layers/model")["tracks"]


def test_nothing_that_was_acknowledged_is_lost_with_a_gateway(
    start: Callable[..., OtherGateway],
) -> None:
    film = Footage(seconds=4.0, size=(128, 96)).make()
    first = start()
    clip = sent(first, film)
    first.until(lambda: bool(first.get(f"/clips/{clip}")["state"] == "ready"))
    first.post(f"/clips/{clip}/layers", json={"from": None})
    assert first.patch(clip, 1, "track", put_track("t1")).status_code == 200
    acknowledged = 0
    for frame in range(12):
        answer = first.patch(clip, frame + 2, f"m{frame}", put_mask("t1", frame, square_at(frame)))
        assert answer.status_code == 200, answer.text
        acknowledged = answer.json()["revision"]
    # One more is on its way when the gateway dies: it is saved whole, or not at all.
    body = {
        "id": "last",
        "base_revision": acknowledged,
        "edits": [put_mask("t1", 15, square_at(15)), put_mask("t1", 16, square_at(16))],
    }
    request = first.client.build_request("PATCH", f"/clips/{clip}/layers/mine", json=body)
    _send_and_leave(request, first)

    second = start()

    layer = second.get(f"/clips/{clip}/layers/alice")
    frames = [one["frame"] for one in layer["tracks"][0]["masks"]]
    assert frames[:12] == list(range(12))
    assert frames[12:] in ([], [15, 16])
    assert layer["revision"] == acknowledged + bool(frames[12:])
    again = second.client.patch(f"/clips/{clip}/layers/mine", json=body)
    assert again.json() == {"revision": acknowledged + 1}
    layer = second.get(f"/clips/{clip}/layers/alice")
    assert [one["frame"] for one in layer["tracks"][0]["masks"]][12:] == [15, 16]


def _send_and_leave(request: httpx.Request, gateway: OtherGateway) -> None:
    """Send a request, and kill the gateway before it may have answered."""
    import socket

    content = request.read()
    head = f"PATCH {request.url.raw_path.decode()} HTTP/1.1\r\nHost: x\r\n" + "".join(
        f"{name}: {value}\r\n" for name, value in request.headers.items() if name.lower() != "host"
    )
    with socket.create_connection((request.url.host, request.url.port or 80)) as link:
        link.sendall(head.encode() + b"\r\n" + content)
        gateway.kill()
