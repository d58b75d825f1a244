"""Bombs and clients that only take, with the models on a real server."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from service.cli.temporary_service import hosted
from service.triton_server.launcher import InferenceServer
from tests.service.bombs import BOMBS, PLAIN
from tests.service.http.raw_client import RawClient, post
from tests.triton.test_triton_faults import settings_for


@pytest.fixture(scope="module")
def address(triton: InferenceServer) -> Iterator[str]:
    with hosted(settings_for(triton.grpc, transfer_seconds=2.0, transfer_rate=1e5)) as found:
        yield found


def answer(address: str, clip: bytes, target: str = "/understand") -> httpx.Response:
    return httpx.post(f"{address}{target}", content=clip, trust_env=False, timeout=60)


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_answered_and_the_next_clip_too(address: str, kind: str) -> None:
    make, statuses = BOMBS[kind]

    assert answer(address, make()).status_code in statuses
    assert answer(address, PLAIN.make()).status_code == 200


def test_clients_that_never_read_their_answer_or_leave_hold_nothing(address: str) -> None:
    clip, large = PLAIN.make(), b"/understand?fps=30&mask_size=source&mask_format=rle_uncompressed"
    deaf = [RawClient(address, post(clip, target=large), buffer=2304) for _ in range(3)]
    gone = [RawClient(address, post(clip, target=large)) for _ in range(3)]
    time.sleep(0.5)
    for client in gone:
        client.close()

    assert answer(address, clip).status_code == 200

    end = time.monotonic() + 60
    while connections(address) and time.monotonic() < end:
        time.sleep(0.2)
    assert connections(address) == 0
    for client in deaf:
        client.close()


def connections(address: str) -> int:
    port = int(address.rpartition(":")[2])
    held = psutil.Process().net_connections("tcp")
    return sum(one.laddr.port == port and bool(one.raddr) for one in held)
