"""Calls to other hosts: only to those that the operator names, at addresses that were checked.

A name may lead anywhere, and to another address each time it is asked. So it is resolved once, the
addresses are checked, and the connection goes to one that was. No redirect is followed, no proxy of
the environment is used, and no connection is kept for another call.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Self

import httpx

from ssuformer.errors import ConfigError, UrlRefused

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_PORTS = {"https": 443, "http": 80}
_CONNECT_SECONDS = 10.0
_LONGEST = 2048
_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for IPv4 ones, in their last 32 bits (NAT64)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A host that may be called, or all under a name; with a scheme and a port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def read(cls, written: str) -> Self:
        """Return the place of an entry: `[https://|http://]host[:port]`, `*.` for all under it."""
        scheme, _, rest = written.rpartition("://")
        scheme = scheme or "https"
        try:
            url = httpx.URL(f"{scheme}://{rest.removeprefix('*.')}")
        except httpx.InvalidURL as error:
            raise ConfigError(f"{written!r} is no host that can be called: {error}") from error
        odd = not url.host or "*" in url.host or url.path != "/" or url.userinfo
        if scheme not in _PORTS or odd:
            raise ConfigError(f"{written!r} is no host that can be called; write `host[:port]`")
        host = f"*.{url.host}" if rest.startswith("*.") else url.host
        return cls(scheme, host, url.port or _PORTS[scheme])

    def holds(self, url: httpx.URL) -> bool:
        """Return whether a URL is of this place."""
        below = self.host.startswith("*.") and url.host.endswith(self.host[1:])
        port = url.port or _PORTS.get(url.scheme, 0)
        return (below or url.host == self.host) and (url.scheme, port) == (self.scheme, self.port)


class Outgoing:
    """Whom the service may call, and the calls."""

    def __init__(
        self, hosts: str, networks: str, *, named: str = "URL", resolve: Resolve | None = None
    ) -> None:
        """Both are lists with commas; `networks` may be called although they are not public.

        `named` is what errors call a URL: the option that gave it.
        """
        self._named = named
        self._places = [Place.read(one) for one in _entries(hosts)]
        self._networks = [_network(one) for one in _entries(networks)]
        self._resolve = resolve or _resolved
        self._tls = ssl.create_default_context() if self._places else False

    @property
    def allowed(self) -> bool:
        """Whether any host may be called."""
        return bool(self._places)

    def check(self, written: str) -> httpx.URL:
        """Return the URL; raise UrlRefused unless it is of a host that may be called."""
        try:
            url = httpx.URL(written).copy_with(fragment=None)
        except httpx.InvalidURL as error:
            raise UrlRefused(f"{self._named}: this cannot be read: {error}") from error
        if len(written) > _LONGEST:
            raise UrlRefused(f"{self._named} is longer than {_LONGEST} characters", limit=_LONGEST)
        if url.scheme not in _PORTS or not url.host:
            raise UrlRefused(
                f"{self._named}: this is no URL that begins with http:// or https:// and a host",
                actual=written,
            )
        if url.userinfo:
            raise UrlRefused(f"{self._named} holds a name or a password; it must not")
        if not any(place.holds(url) for place in self._places):
            place = f"{url.scheme}://{url.netloc.decode('ascii')}"
            raise UrlRefused(
                f"{self._named}: {place} is no host that this service calls", actual=url.host
            )
        return url

    @asynccontextmanager
    async def call(
        self,
        method: str,
        written: str,
        *,
        seconds: float,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """Yield the response, whose body is not read yet.

        Raises UrlRefused, or httpx.HTTPError if no address answers within the time.
        """
        url = self.check(written)
        addresses = await self._addresses(url)
        timeout = httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        async with httpx.AsyncClient(
            verify=self._tls, trust_env=False, follow_redirects=False, timeout=timeout
        ) as client:
            requests = [
                client.build_request(
                    method,
                    url.copy_with(host=str(address)),
                    headers={**(headers or {}), "Host": url.netloc.decode("ascii")},
                    content=content,
                    extensions={"sni_hostname": url.host},
                )
                for address in addresses
            ]
            response = await _first_answer(client, requests)
            try:
                yield response
            finally:
                await response.aclose()

    async def _addresses(self, url: httpx.URL) -> list[Address]:
        """Return the addresses of a host that may be connected to; UrlRefused if there is none."""
        port = url.port or _PORTS[url.scheme]
        found = [ip_address(one) for one in await self._resolve(url.host, port)]
        allowed = [address for address in found if self._may_be_called(address)]
        if allowed:
            return allowed
        raise UrlRefused(
            f"{url.host} leads to an address that is not public, which the operator does not allow",
            actual=url.host,
        )

    def _may_be_called(self, address: Address) -> bool:
        inner = _inner(address)
        if any(each in network for network in self._networks for each in {address, inner}):
            return True
        return all(each.is_global and not each.is_multicast for each in {address, inner})


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


async def _first_answer(
    client: httpx.AsyncClient, requests: Sequence[httpx.Request]
) -> httpx.Response:
    """Return the response to the first request whose address can be connected to."""
    *others, last = requests
    for request in others:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await client.send(request, stream=True)
    return await client.send(last, stream=True)


def _entries(written: str) -> list[str]:
    return [entry for part in written.split(",") if (entry := part.strip().lower())]


def _network(written: str) -> Network:
    try:
        return ip_network(written)
    except ValueError as error:
        raise ConfigError(f"SSU_OUTGOING_NETWORKS: {error}") from error


async def _resolved(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            look_up = partial(loop.getaddrinfo, type=socket.SOCK_STREAM)
            found = await look_up(host, port)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise httpx.ConnectError(f"{host} has no address") from error
    return [str(entry[4][0]) for entry in found]
