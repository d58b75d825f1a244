"""Whose job it is, and which request it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.conftest import Running
from tests.service.jobs.conftest import StopsAt, ended, jobs_of, send

pytestmark = pytest.mark.anyio


async def test_the_same_key_with_the_same_request_is_the_same_job(
    working: Running, clip: bytes
) -> None:
    first = await send(working, clip, "one", fps=2)

    again = await working.client.post(
        "/jobs", content=clip, params={"fps": "2"}, headers={"Idempotency-Key": "one"}
    )
    other = await send(working, clip, "two", fps=2)

    assert again.json()["id"] == first["id"] != other["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["location"] == f"/jobs/{first['id']}"


@pytest.mark.parametrize("changed", ["clip", "options"])
async def test_the_same_key_with_another_request_is_refused(
    working: Running, clip: bytes, changed: str
) -> None:
    await send(working, clip, "one")

    response = await working.client.post(
        "/jobs",
        content=clip + b"x" if changed == "clip" else clip,
        params={"fps": "2"} if changed == "options" else {},
        headers={"Idempotency-Key": "one"},
    )

    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_job_is_seen_by_the_key_that_sent_it_only(tmp_path: Path, clip: bytes) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first name=a\nsecond name=b\n")
    mine, others = ({"Authorization": f"Bearer {key}"} for key in ("first", "second"))
    async with jobs_of(tmp_path, keys_file=keys) as running:
        client = running.client
        job = (await client.post("/jobs", content=clip, headers=mine)).json()["id"]
        theirs = (await client.post("/jobs", content=clip, headers=others)).json()["id"]

        for path in (f"/jobs/{job}", f"/jobs/{job}/result", f"/jobs/{job}/events"):
            assert (await client.get(path, headers=others)).status_code == 404
        assert (await client.delete(f"/jobs/{job}", headers=others)).status_code == 404
        assert (await client.get(f"/jobs/{job}", headers=mine)).status_code == 200
        listed = (await client.get("/jobs", headers=mine)).json()["jobs"]

    assert [one["id"] for one in listed] == [job] != [theirs]


async def test_two_keys_may_use_the_same_idempotency_key(tmp_path: Path, clip: bytes) -> None:
    keys = tmp_path / "keys"
    keys.write_text("first name=a\nsecond name=b\n")
    async with jobs_of(tmp_path, keys_file=keys) as running:
        found = set()
        for key in ("first", "second"):
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "one"}
            response = await running.client.post("/jobs", content=clip, headers=headers)
            found.add(response.json()["id"])

    assert len(found) == 2


async def test_the_list_is_read_page_by_page(working: Running, clip: bytes) -> None:
    sent = [(await send(working, clip))["id"] for _ in range(5)]

    pages: list[list[str]] = []
    before: dict[str, float] = {}
    while True:
        page = (await working.client.get("/jobs", params={"most": 2, **before})).json()
        pages.append([one["id"] for one in page["jobs"]])
        if page["next"] is None:
            break
        before = {"before": page["next"]}

    assert pages == [[sent[4], sent[3]], [sent[2], sent[1]], [sent[0]]]


async def test_too_many_jobs_that_are_not_done_are_refused(tmp_path: Path, clip: bytes) -> None:
    engine = StopsAt(0)
    async with jobs_of(tmp_path, engine, jobs_unfinished=1) as running:
        await send(running, clip, "one")

        another = await running.client.post("/jobs", content=clip)
        same = await send(running, clip, "one")
        engine.may_go_on.set()
        await ended(running, same["id"])

    assert (another.status_code, another.json()["code"]) == (429, "too_many_jobs")
    assert int(another.headers["retry-after"]) > 0
