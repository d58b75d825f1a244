"""Bearer keys: who may ask for anything but whether this process lives.

Every route is closed but those of `OPEN`; a route that is added later is closed, too.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from service.http.problems import answer_to
from ssuformer.errors import ConfigError, KeyRefused

OPEN = frozenset(
    {"/livez", "/readyz", "/startupz", "/v2/health/live", "/v2/health/ready"},
)
"""What a kubelet or a load balancer asks without a key."""


@dataclass(slots=True)
class KeyRing:
    """The keys in a file, one per line; read again when the file has changed.

    A file that is away, or in which there is no key any more, leaves the keys before.
    """

    path: Path
    log: FilteringBoundLogger
    _stamp: tuple[int, int] = (0, 0)
    _keys: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Read the file; raise ConfigError if there is no key in it."""
        self._read()
        if not self._keys:
            raise ConfigError(f"{self.path} holds no key; put one on each line")

    def holds(self, key: str) -> bool:
        """Return whether the key is one of them, in a time that does not depend on which."""
        self._read()
        given = key.encode()
        return sum(hmac.compare_digest(given, known) for known in self._keys) > 0

    def _read(self) -> None:
        """Take over the keys of a file that has changed, if there are any."""
        try:
            facts = self.path.stat()
            stamp = (facts.st_mtime_ns, facts.st_ino)
            if stamp == self._stamp:
                return
            lines = self.path.read_bytes().splitlines()
        except OSError:
            return
        self._stamp = stamp
        if keys := tuple(line.strip() for line in lines if line.strip()):
            self._keys = keys
        elif self._keys:
            self.log.warning("no_key_in_file", path=str(self.path), kept=len(self._keys))


class KeyMiddleware:
    """Refuses requests without a key, before anything of their body is read."""

    def __init__(self, app: ASGIApp, *, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on if it may pass."""
        if scope["type"] != "http" or scope["path"] in OPEN or self._knows(scope):
            await self._app(scope, receive, send)
            return
        error = KeyRefused("this service wants `Authorization: Bearer KEY` with a key it knows")
        scope["state"]["code"] = error.code
        await answer_to(error)(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        kind, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._keys.holds(key.strip())
