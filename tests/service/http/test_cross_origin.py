"""Pages of other origins, as a browser asks for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from service.http.cross_origin import EXPOSED, readable_by
from service.settings import settings_for
from ssuformer.errors import ConfigError
from tests.service.conftest import Running, run, small_settings
from tests.service.http.raw_client import GET, RawClient, service

pytestmark = pytest.mark.anyio

PAGE, OTHER = "https://films.example", "https://elsewhere.example"
ORIGIN = {"Origin": PAGE}
PREFLIGHT = {
    **ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture(scope="module")
async def guarded(
    anyio_backend: str,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Running]:
    """A service with keys and one origin."""
    keys: Path = tmp_path_factory.mktemp("keys") / "keys"
    keys.write_text("secret\n")
    async with run(small_settings(cors_origins=PAGE, keys_file=keys)) as started:
        yield started


async def test_a_preflight_is_answered_without_a_key(guarded: Running) -> None:
    response = await guarded.client.options("/understand", headers=PREFLIGHT)

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "authorization" in response.headers["access-control-allow-headers"]


async def test_a_preflight_of_another_origin_is_refused(guarded: Running) -> None:
    response = await guarded.client.options("/understand", headers=PREFLIGHT | {"Origin": OTHER})

    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers


async def test_a_page_may_read_the_answer_and_the_headers_that_matter(
    guarded: Running, clip: bytes
) -> None:
    response = await guarded.client.post(
        "/understand", content=clip, headers={**ORIGIN, "Authorization": "Bearer secret"}
    )

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert {"Origin", "Accept"} <= set(response.headers["vary"].split(", "))
    exposed = response.headers["access-control-expose-headers"].lower().split(", ")
    assert {"x-request-id", "server-timing", "content-disposition"} <= set(exposed)


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [("/understand", "wrong", 401), ("/understand", "secret", 400), ("/nowhere", "secret", 404)],
)
async def test_a_page_may_read_errors_too(
    guarded: Running, path: str, key: str, status: int
) -> None:
    headers = {**ORIGIN, "Authorization": f"Bearer {key}"}

    response = await guarded.client.post(path, headers=headers)

    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == PAGE
    assert response.json()["status"] == status


async def test_a_page_may_read_an_internal_error_and_its_request_id(
    clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run(small_settings(cors_origins="*")) as running:
        monkeypatch.setattr("service.understanding.pipeline.Pipeline._tail", None)

        response = await running.client.post("/understand", content=clip, headers=ORIGIN)

        assert (response.status_code, response.json()["code"]) == (500, "internal")
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["x-request-id"] == running.lines[-1]["request_id"]
        assert running.lines[-1]["status"] == 500


async def test_without_origins_there_are_no_such_headers(running: Running, clip: bytes) -> None:
    response = await running.client.post("/understand", content=clip, headers=ORIGIN)
    preflight = await running.client.options("/understand", headers=PREFLIGHT)

    assert (response.status_code, preflight.status_code) == (200, 405)
    assert "access-control-allow-origin" not in {**response.headers, **preflight.headers}


@pytest.fixture(scope="module")
def narrow() -> Iterator[str]:
    """A service that closes most connections by its limits."""
    with service(
        None, cors_origins=f"{PAGE},{OTHER}", max_headers=5, header_seconds=1.0
    ) as address:
        yield address


def test_a_page_may_read_what_a_limit_of_the_connection_says(narrow: str) -> None:
    origin = b"Origin: %s\r\n" % OTHER.encode()
    client = RawClient(narrow, GET + origin + b"x: y\r\n" * 9 + b"\r\n")

    status, head, _ = client.read()

    assert status == 431
    assert b"access-control-allow-origin: " + OTHER.encode() in head.lower()


def test_another_page_may_not_read_it(narrow: str) -> None:
    client = RawClient(narrow, GET + b"Origin: https://a.b\r\n" + b"x: y\r\n" * 9 + b"\r\n")

    status, head, _ = client.read()

    assert status == 431
    assert b"access-control" not in head.lower()


def test_a_page_may_read_that_there_are_too_many_connections() -> None:
    with service(None, cors_origins=PAGE, client_connections=1) as address:
        first = RawClient(address, GET[:10])
        status, head, _ = RawClient(address).read()
        first.close()

    assert status == 429
    assert b"access-control-allow-origin: " + PAGE.encode() in head.lower()
    assert b"retry-after" in head.lower()


def test_an_origin_that_is_not_known_is_none_of_several() -> None:
    assert readable_by((PAGE, OTHER), None) == {}
    assert readable_by((), PAGE) == {}
    assert readable_by((PAGE,), OTHER) == {}
    assert readable_by(("*",), None)["Access-Control-Allow-Origin"] == "*"
    assert readable_by((PAGE, OTHER), OTHER)["Access-Control-Allow-Origin"] == OTHER


def test_origins_are_separated_by_commas_and_a_wrong_one_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSU_CORS_ORIGINS", f"{PAGE}, http://127.0.0.1:8080")
    assert settings_for().cors_origins == (PAGE, "http://127.0.0.1:8080")

    for wrong in (f"{PAGE}/", "films.example", "https://films.example/page", "null"):
        monkeypatch.setenv("SSU_CORS_ORIGINS", wrong)
        with pytest.raises(ConfigError, match="SSU_CORS_ORIGINS"):
            settings_for()


async def test_every_header_that_is_exposed_is_one_that_the_service_sends(
    clip: bytes, guarded: Running
) -> None:
    key = {"Authorization": "Bearer secret"}
    answer, refused = await asyncio.gather(
        guarded.client.post("/understand", content=clip, headers=key),
        guarded.client.post("/understand"),
    )

    sent = httpx.Headers({**answer.headers, **refused.headers, "retry-after": "in test_load"})
    sent["traceparent"] = "in test_traces"
    assert all(name in sent for name in EXPOSED)
