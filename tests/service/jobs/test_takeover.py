"""Gateways that are killed or stopped while they work on a job, which others finish."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.cli.temporary_service import free_port
from tests.service.jobs.conftest import PART_SECONDS, PATIENCE, PYTHON

LEASE_SECONDS = 1.5
WINDOW_SECONDS = 1.0
"""What the engine takes for each: so the tests are in time, on a busy machine, too."""


class OtherGateway:
    """A gateway in a process of its own, and what it has logged."""

    def __init__(self, folder: Path, store: str, place: str, name: str) -> None:
        self._log = folder / f"{name}.log"
        port = free_port()
        settings = {
            "SSU_JOBS": store,
            "SSU_JOBS_FOLDER": place,
            "SSU_JOB_PART_SECONDS": f"{PART_SECONDS}",
            "SSU_JOB_LEASE_SECONDS": f"{LEASE_SECONDS}",
            "SSU_DECODE_THREADS": "1",
            "SSU_SANDBOX": "auto",
        }
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [PYTHON, "-m", "tests.service.jobs.slow_gateway", str(port), f"{WINDOW_SECONDS}"],
                env=os.environ | settings, stdout=log, stderr=log,
            )  # fmt: skip
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE
        )
        wait_for(self._ready)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line[0] == "{"]
        return [line for line in lines if line["event"] == name]

    def job(self, number: str) -> Any:  # noqa: ANN401
        return self.client.get(f"/jobs/{number}").json()

    def close(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait()


def wait_for(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it has not come to that"
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path, store_url: str, place: str) -> Iterator[Callable[[str], OtherGateway]]:
    with ExitStack() as stack:

        def started(name: str) -> OtherGateway:
            gateway = OtherGateway(tmp_path, store_url, place, name)
            stack.callback(gateway.close)
            return gateway

        yield started


def parts_of(*gateways: OtherGateway) -> list[int]:
    return [line["number"] for one in gateways for line in one.events("job_part")]


def test_the_job_of_a_killed_gateway_is_finished_by_another_from_its_last_part_on(
    start: Callable[[str], OtherGateway], long_clip: bytes
) -> None:
    first = start("first")
    number = first.client.post("/jobs", content=long_clip).json()["id"]
    wait_for(lambda: len(first.events("job_part")) >= 2)

    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    second = start("second")
    wait_for(lambda: second.job(number)["state"] == "done")

    result = second.client.get(f"/jobs/{number}/result").json()
    at_once = second.client.post("/understand", content=long_clip).json()
    assert {**result, "timings_ms": {}} == {**at_once, "timings_ms": {}}
    assert second.events("job_taken")[0]["parts"] >= 2
    assert parts_of(first, second) == sorted(set(parts_of(first, second)))
    assert [len(one.events("job_ended")) for one in (first, second)] == [0, 1]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_gateway_that_was_away_too_long_stops_and_ends_nothing(
    start: Callable[[str], OtherGateway], long_clip: bytes
) -> None:
    first, second = start("first"), start("second")
    number = first.client.post("/jobs", content=long_clip).json()["id"]
    both = (first, second)
    wait_for(lambda: any(one.events("job_part") for one in both))
    late, other = both if first.events("job_part") else both[::-1]

    late.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: bool(other.events("job_ended")))
    late.process.send_signal(signal.SIGCONT)
    wait_for(lambda: bool(late.events("job_lease_lost")))

    result = other.client.get(f"/jobs/{number}/result")
    assert len(result.json()["frames"]) == 30
    assert Counter(parts_of(other)).most_common(1)[0][1] == 1
    assert late.events("job_ended") == []
    assert other.events("job_ended")[0]["state"] == "done"


def test_a_gateway_that_is_asked_to_end_gives_its_job_back_at_once(
    start: Callable[[str], OtherGateway], long_clip: bytes
) -> None:
    first = start("first")
    number = first.client.post("/jobs", content=long_clip).json()["id"]
    wait_for(lambda: bool(first.events("job_part")))

    first.process.send_signal(signal.SIGTERM)
    first.process.wait(PATIENCE)
    second = start("second")
    wait_for(lambda: second.job(number)["state"] == "done")

    assert [line["reason"] for line in first.events("job_given_back")] == ["stopped"]
    assert second.events("job_taken")[0]["parts"] >= 1
