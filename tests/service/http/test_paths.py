"""Paths, addresses and connections as proxies and load balancers use them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from service.server import limited
from service.settings import settings_for
from ssuformer.errors import ConfigError
from tests.service.conftest import Running, run, small_settings
from tests.service.http.raw_client import GET, RawClient, service
from tests.service.test_load import request_scope

pytestmark = pytest.mark.anyio

HEALTH = ("/livez", "/readyz", "/startupz", "/v2/health/live", "/v2/health/ready")


@pytest.mark.parametrize("path", [*HEALTH, "/limits", "/models"])
def test_head_is_answered_as_get_without_the_body(address: str, path: str) -> None:
    head = httpx.head(address + path, trust_env=False)
    get = httpx.get(address + path, trust_env=False, headers={"Accept-Encoding": "identity"})

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.fixture(scope="module")
def address() -> object:
    with service() as found:
        yield found


async def test_a_slash_at_the_end_means_nothing(running: Running, clip: bytes) -> None:
    answer = await running.client.post("/understand/?fps=2", content=clip)
    live = await running.client.get("/livez//")

    assert (answer.status_code, answer.json()["sampled_fps"]) == (200, 2)
    assert (live.status_code, running.lines[-1]["route"]) == (200, "/understand")


@pytest.mark.parametrize("path", ["/livez", "/ssu/livez", "/ssu/livez/"])
async def test_a_prefix_may_be_removed_by_the_proxy_or_not(tmp_path: Path, path: str) -> None:
    (tmp_path / "keys").write_text("secret\n")
    settings = small_settings(root_path="/ssu", keys_file=tmp_path / "keys")
    async with run(settings) as running:
        response = await running.client.get(path)
        other = await running.client.get("/ssulivez")
        document = await running.client.get(
            "/openapi.json", headers={"Authorization": "Bearer secret"}
        )

    assert response.status_code == 200
    assert other.status_code == 401
    assert document.json()["servers"] == [{"url": "/ssu"}]


@pytest.mark.parametrize("wrong", ["ssu", "/ssu/", "/a b"])
def test_a_prefix_that_is_no_path_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("SSU_ROOT_PATH", wrong)

    with pytest.raises(ConfigError, match="SSU_ROOT_PATH"):
        settings_for()


async def seen(running: Running, peer: str) -> tuple[str, str]:
    """Return client and scheme of a request that came over a proxy at this address."""
    found: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        found.append(scope)

    async def nothing(*_: object) -> Message:
        return {"type": "http.disconnect"}

    config = limited(app, running.gateway)
    config.load()
    forwarded = [(b"x-forwarded-for", b"1.1.1.1, 203.0.113.9"), (b"x-forwarded-proto", b"https")]
    scope = {**request_scope(), "client": (peer, 1), "headers": forwarded}
    await config.loaded_app(scope, nothing, nothing)
    return found[0]["client"][0], found[0]["scheme"]


async def test_a_trusted_proxy_is_believed_whom_it_forwards_for() -> None:
    async with run(small_settings(trusted_proxies="10.1.0.0/16")) as running:
        assert await seen(running, "10.1.2.3") == ("203.0.113.9", "https")
        assert await seen(running, "10.2.2.3") == ("10.2.2.3", "http")
        assert await seen(running, "127.0.0.1") == ("127.0.0.1", "http")


def test_a_proxy_that_is_no_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSU_TRUSTED_PROXIES", "10.0.0.1,proxy.example")

    with pytest.raises(ConfigError, match="SSU_TRUSTED_PROXIES"):
        settings_for()


def test_a_connection_is_closed_after_so_many_requests() -> None:
    with service(None, connection_requests=3) as address:
        client = RawClient(address, (GET + b"\r\n") * 2)
        client.send(GET + b"\r\n")

        _, _, rest = client.read()

    assert rest.count(b"HTTP/1.1 200") == 2
    assert rest.count(b"connection: close") == 1
