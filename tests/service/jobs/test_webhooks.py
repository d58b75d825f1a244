"""Webhooks: signed, repeated until they are taken, and only to hosts that may be called."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ssuformer.errors import ConfigError
from tests.service.conftest import Running
from tests.service.jobs.conftest import ended, jobs_of, look, send, until
from tests.service.jobs.receiver import Call, Receiver, answer, receiving

pytestmark = pytest.mark.anyio

SECRETS = ("first", "whsec_" + base64.b64encode(b"second").decode())


@asynccontextmanager
async def calling(
    folder: Path, answers: list[bytes], **more: object
) -> AsyncIterator[tuple[Running, Receiver, str]]:
    """Run a gateway that may call a receiver; yield both and the receiver's URL."""
    secrets = folder / "secrets"
    secrets.write_text("\n".join(SECRETS))
    async with receiving(answers) as receiver:
        settings = {
            "webhook_hosts": f"http://127.0.0.1:{receiver.port}",
            "webhook_secret_file": secrets,
            "webhook_retry_seconds": 0.1,
            "outgoing_networks": "127.0.0.0/8",
            **more,
        }
        async with jobs_of(folder, None, **settings) as running:
            yield running, receiver, f"http://127.0.0.1:{receiver.port}/hook?a=b"


async def told(running: Running, job: str) -> Any:  # noqa: ANN401
    """Return what is known of a job's only call, once it is not to be made again."""
    found: dict[str, Any] = {}

    async def over() -> bool:
        calls = (await look(running, job))["deliveries"]
        found.update(calls[0] if calls else {})
        return bool(calls) and calls[0]["next_attempt"] is None

    await until(over)
    return found


def is_signed(call: Call, secret: bytes) -> bool:
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.".encode()
    made = hmac.new(secret, signed + call.body, hashlib.sha256).digest()
    given = call.headers["webhook-signature"].split()
    return f"v1,{base64.b64encode(made).decode()}" in given


async def test_the_end_of_a_job_is_told_and_signed_with_every_secret(
    tmp_path: Path, clip: bytes
) -> None:
    async with calling(tmp_path, [answer(204)]) as (running, receiver, url):
        job = await send(running, clip, webhook=url)
        noted = await told(running, job["id"])

    (call,) = receiver.calls
    body = json.loads(call.body)
    assert call.path == "/hook?a=b"
    assert call.headers["webhook-id"] == noted["id"]
    assert [is_signed(call, secret) for secret in (b"first", b"second", b"third")] == [1, 1, 0]
    assert body["type"] == "job.done"
    assert body["data"]["job"] == job["id"]
    assert body["data"]["result"] == f"/jobs/{job['id']}/result"
    assert [(one["number"], one["status"]) for one in noted["attempts"]] == [(1, 204)]
    assert noted["delivered"] is not None


async def test_under_a_path_jobs_and_results_are_where_clients_find_them(
    tmp_path: Path, clip: bytes
) -> None:
    async with calling(tmp_path, [answer(204)], root_path="/ssu") as (running, receiver, url):
        sent = await running.client.post("/ssu/jobs", content=clip, params={"webhook": url})
        await told(running, sent.json()["id"])
        job = await running.client.get(sent.headers["location"])
        result = await running.client.get(job.json()["result"])

    (call,) = receiver.calls
    assert sent.headers["location"] == f"/ssu/jobs/{sent.json()['id']}"
    assert json.loads(call.body)["data"]["result"] == job.json()["result"]
    assert result.status_code == 200


async def test_a_failure_is_told_too_with_its_code(tmp_path: Path) -> None:
    async with calling(tmp_path, [answer(204)]) as (running, receiver, url):
        job = await send(running, b"no clip " * 100, webhook=url)
        await told(running, job["id"])

    body = json.loads(receiver.calls[0].body)
    assert (body["type"], body["data"]["error"]["code"]) == ("job.failed", "clip_unreadable")


async def test_a_call_is_repeated_with_the_same_number_until_it_is_taken(
    tmp_path: Path, clip: bytes
) -> None:
    answers = [answer(500), answer(302, b"", "Location: http://127.0.0.1:1/"), answer(200)]
    async with calling(tmp_path, answers) as (running, receiver, url):
        job = await send(running, clip, webhook=url)
        noted = await told(running, job["id"])
        delivered = running.metric("ssu_webhook_attempts_total", result="delivered")

    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1
    assert [one["status"] for one in noted["attempts"]] == [500, 302, 200]
    assert "redirects are not followed" in noted["attempts"][1]["error"]
    assert delivered == 1


async def test_a_call_is_given_up_after_some_attempts(tmp_path: Path, clip: bytes) -> None:
    async with calling(tmp_path, [answer(503)], webhook_attempts=3) as (running, receiver, url):
        job = await send(running, clip, webhook=url)
        noted = await told(running, job["id"])

    assert len(receiver.calls) == 3
    assert noted["delivered"] is None
    times = [one["at"] for one in noted["attempts"]]
    assert times == sorted(times)


async def test_who_answers_that_it_is_gone_is_not_called_again(tmp_path: Path, clip: bytes) -> None:
    async with calling(tmp_path, [answer(410)]) as (running, receiver, url):
        noted = await told(running, (await send(running, clip, webhook=url))["id"])

    assert len(receiver.calls) == len(noted["attempts"]) == 1


async def test_a_call_that_is_stored_is_made_by_the_next_gateway(
    tmp_path: Path, clip: bytes
) -> None:
    async with calling(tmp_path, [answer(500)], webhook_retry_seconds=1.0) as (running, one, url):
        job = await send(running, clip, webhook=url)
        await ended(running, job["id"])

        async def called() -> bool:
            return bool(one.calls)

        await until(called)
        port = one.port
    async with (
        calling(tmp_path, [answer(204)], webhook_hosts=f"http://127.0.0.1:{port}") as (again, _, _),
    ):

        async def tried_again() -> bool:
            calls = (await look(again, job["id"]))["deliveries"]
            return len(calls[0]["attempts"]) > 1

        await until(tried_again)


@pytest.mark.parametrize(
    ("webhook", "says"),
    [
        ("https://other.example/", "no host"),
        ("http://127.0.0.1:1/", "no host"),
        ("notaurl", "webhook: this is no URL that begins with http:// or https://"),
    ],
)
async def test_a_webhook_to_a_host_that_is_not_named_is_refused(
    tmp_path: Path, clip: bytes, webhook: str, says: str
) -> None:
    async with calling(tmp_path, [answer(204)]) as (running, _, _):
        response = await running.client.post("/jobs", content=clip, params={"webhook": webhook})

    assert (response.status_code, response.json()["code"]) == (422, "url_refused")
    assert says in response.json()["detail"]


async def test_an_address_that_is_not_public_is_not_called_although_its_host_is_named(
    tmp_path: Path, clip: bytes
) -> None:
    settings = {"outgoing_networks": "", "webhook_attempts": 1}
    async with calling(tmp_path, [answer(204)], **settings) as (running, receiver, url):
        noted = await told(running, (await send(running, clip, webhook=url))["id"])

    assert receiver.calls == []
    assert "not public" in noted["attempts"][0]["error"]


async def test_webhooks_without_a_secret_are_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="SSU_WEBHOOK_SECRET_FILE"):
        async with jobs_of(tmp_path, None, webhook_hosts="a.example"):
            pytest.fail("it may not start")
