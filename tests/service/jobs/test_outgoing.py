"""Calls to other hosts: to those that are named, at addresses that were checked."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from service.jobs.outgoing import Outgoing, Resolve
from ssuformer.errors import ConfigError, UrlRefused
from tests.service.jobs.receiver import answer, receiving

pytestmark = pytest.mark.anyio

HOSTS = "hooks.example, *.films.example, https://tls.example:8443, http://plain.example"


def leading_to(*addresses: str) -> Resolve:
    async def resolve(_: str, __: int) -> Sequence[str]:
        return addresses

    return resolve


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/a?b=c",
        "https://HOOKS.example:443/",
        "https://a.films.example/",
        "https://a.b.films.example/",
        "https://tls.example:8443/",
        "http://plain.example/",
    ],
)
async def test_a_host_that_is_named_may_be_called(url: str) -> None:
    Outgoing(HOSTS, "").check(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/",
        "https://hooks.example.evil/",
        "https://evilhooks.example/",
        "https://films.example/",
        "https://evilfilms.example/",
        "http://hooks.example/",
        "https://hooks.example:8443/",
        "https://plain.example/",
        "https://user@hooks.example/",
        "https://user:word@hooks.example/",
        "https://evil.example\\@hooks.example/",
        "https://hooks.example#@evil.example/" + "x" * 3000,
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "//hooks.example/",
        "hooks.example",
        "",
        "https://[::1",
        "https://hooks.example\n.evil/",
    ],
)
async def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(UrlRefused):
        Outgoing(HOSTS, "").check(url)


@pytest.mark.parametrize(
    "url", ["notaurl", "", "file:///etc/passwd", "//hooks.example/", "http:/a"]
)
async def test_what_is_no_url_of_http_is_told_by_the_name_of_the_option(url: str) -> None:
    with pytest.raises(UrlRefused, match=r"^webhook: .* http:// or https://"):
        Outgoing(HOSTS, "", named="webhook").check(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b::a00:1",
    ],
)
async def test_a_name_that_leads_to_an_address_that_is_not_public_is_refused(
    address: str,
) -> None:
    outgoing = Outgoing("hooks.example", "", resolve=leading_to(address))

    with pytest.raises(UrlRefused, match="not public"):
        async with outgoing.call("GET", "https://hooks.example/", seconds=1):
            pytest.fail("it was called")


async def test_an_address_written_as_a_host_is_checked_like_any_other() -> None:
    outgoing = Outgoing("http://127.0.0.1:1, http://2130706433:1", "")

    for host in ("127.0.0.1", "2130706433"):
        with pytest.raises(UrlRefused):
            async with outgoing.call("GET", f"http://{host}:1/", seconds=1):
                pytest.fail("it was called")


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    asked: list[str] = []

    async def resolve(host: str, _: int) -> Sequence[str]:
        asked.append(host)
        return ["10.0.0.1", "127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    async with receiving([answer(200, b"here")]) as receiver:
        outgoing = Outgoing(
            f"http://hooks.example:{receiver.port}", "127.0.0.1/32", resolve=resolve
        )
        url = f"http://hooks.example:{receiver.port}/path?a=b"
        async with outgoing.call("GET", url, seconds=5) as response:
            body = await response.aread()

    assert (asked, body) == (["hooks.example"], b"here")
    assert receiver.calls[0].path == "/path?a=b"
    assert receiver.calls[0].headers["host"] == f"hooks.example:{receiver.port}"


async def test_an_address_that_does_not_answer_is_passed_over() -> None:
    async with receiving([answer(204)]) as receiver:
        outgoing = Outgoing(
            f"http://hooks.example:{receiver.port}",
            "127.0.0.0/8",
            resolve=leading_to("127.0.0.9", "127.0.0.1"),
        )
        url = f"http://hooks.example:{receiver.port}/"
        async with outgoing.call("GET", url, seconds=5) as response:
            assert response.status_code == 204


async def test_a_redirect_is_not_followed() -> None:
    async with receiving([answer(302, b"", "Location: http://127.0.0.1:1/")]) as receiver:
        outgoing = Outgoing(f"http://127.0.0.1:{receiver.port}", "127.0.0.0/8")
        url = f"http://127.0.0.1:{receiver.port}/"
        async with outgoing.call("GET", url, seconds=5) as response:
            assert response.status_code == 302

    assert len(receiver.calls) == 1


async def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with receiving([answer(204)]) as receiver:
        outgoing = Outgoing(f"http://127.0.0.1:{receiver.port}", "127.0.0.0/8")
        url = f"http://127.0.0.1:{receiver.port}/"
        async with outgoing.call("GET", url, seconds=5) as response:
            assert response.status_code == 204


@pytest.mark.parametrize(("name", "fits"), [("hooks.example", True), ("other.example", False)])
async def test_the_certificate_has_to_be_that_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, fits: bool
) -> None:
    certificate, key = str(tmp_path / "certificate"), str(tmp_path / "key")
    made = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=x -keyout {key} -out {certificate}"
    words = ["openssl", *made.split(), "-addext", "subjectAltName=DNS:hooks.example"]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    async with receiving([answer(204)], context) as receiver:
        outgoing = Outgoing(
            f"{name}:{receiver.port}", "127.0.0.0/8", resolve=leading_to("127.0.0.1")
        )
        try:
            async with outgoing.call("GET", f"https://{name}:{receiver.port}/", seconds=5):
                answered = True
        except httpx.ConnectError:
            answered = False

    assert answered == fits


@pytest.mark.parametrize("entry", ["ftp://a.example", "a.example/path", "https://u@a.example", "*"])
async def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ConfigError):
        Outgoing(entry, "")


async def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="SSU_OUTGOING_NETWORKS"):
        Outgoing("a.example", "10.0.0.0/99")
