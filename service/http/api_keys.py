"""Bearer key authentication.

Every route requires a key except those of `OPEN`; this includes routes added later.
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
"""Paths that a kubelet or a load balancer requests without a key."""


@dataclass(slots=True)
class KeyRing:
    """The keys in a file, one per line; read again when the file has changed.

    If the file is missing or contains no key, the previous keys stay valid.
    """

    path: Path
    log: FilteringBoundLogger
    _stamp: tuple[int, int] = (0, 0)
    _keys: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        """Read the file; raise ConfigError if it contains no key."""
        self._read()
        if not self._keys:
            raise ConfigError(f"{self.path} holds no key; put one on each line")

    def holds(self, key: str) -> bool:
        """Return whether the key is valid, in constant time."""
        self._read()
        given = key.encode()
        return sum(hmac.compare_digest(given, known) for known in self._keys) > 0

    def _read(self) -> None:
        """Reload the keys if the file has changed and contains any."""
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
    """Rejects requests without a valid key before reading their body."""

    def __init__(self, app: ASGIApp, *, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an authorized request on; answer 401 otherwise."""
        if scope["type"] != "http" or scope["path"] in OPEN or self._knows(scope):
            await self._app(scope, receive, send)
            return
        error = KeyRefused("this service requires `Authorization: Bearer KEY` with a valid key")
        scope["state"]["code"] = error.code
        await answer_to(error)(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        kind, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._keys.holds(key.strip())
