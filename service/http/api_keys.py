"""Bearer key authentication.

Every route requires a key except those that `is_open` names; this includes routes added later.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from service.http.problems import answer_to
from ssuformer.errors import ConfigError, KeyRefused

OPEN = frozenset(
    {"/livez", "/readyz", "/startupz", "/v2/health/live", "/v2/health/ready"},
)
"""Paths that a kubelet or a load balancer requests without a key."""

DOCUMENTATION = "/docs"
DOCUMENT = "/openapi.json"
PAGE = "/page"
"""Files of the page at `/`."""
STUDIO = "/studio"
"""The studio's document; its files are below it, and its API, which needs a key."""

_STUDIO_FILES = (STUDIO, f"{STUDIO}/studio.js", f"{STUDIO}/studio.css")
_OPEN_FILES = (f"{DOCUMENTATION}/", f"{PAGE}/")


def is_open(path: str) -> bool:
    """Return whether a path needs no key: health, and what is the same everywhere.

    That is the documentation, and page and studio, which ask for a key themselves.
    """
    named = path in OPEN or path in ("/", DOCUMENT, DOCUMENTATION, *_STUDIO_FILES)
    return named or path.startswith(_OPEN_FILES)


class Key(BaseModel):
    """A line of the key file; without numbers of its own, a key has those of the settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[\w.@-]{1,64}$")
    """As in the log and the metrics."""
    clips_per_minute: PositiveFloat | None = None
    seconds_per_day: PositiveFloat | None = None

    @classmethod
    def read(cls, line: str) -> tuple[bytes, Key]:
        """Return a key and what is known of it; raise ConfigError, which does not show the key."""
        secret, *words = line.split()
        facts = dict(word.partition("=")[::2] for word in words)
        unnamed = f"key-{hashlib.sha256(secret.encode()).hexdigest()[:8]}"
        try:
            return secret.encode(), cls.model_validate({"name": unnamed, **facts})
        except ValidationError as error:
            known = {str(item["loc"][0]) for item in error.errors()} & cls.model_fields.keys()
            wrong = f"; wrong is {', '.join(sorted(known))}" if known else ""
            # Not what was found: it may be a key, if two are in one line.
            raise ConfigError(
                f"a key may be followed by {', '.join(cls.model_fields)} alone, each as NAME=VALUE"
                f"{wrong}"
            ) from None


@dataclass(slots=True)
class KeyRing:
    """The keys in a file, one per line; read again when the file has changed.

    While the file is missing the previous keys stay valid; if it contains none, none is valid. A
    line that cannot be read is no key.
    """

    path: Path
    log: FilteringBoundLogger
    _stamp: tuple[int, int] = (0, 0)
    _keys: tuple[tuple[bytes, Key], ...] = ()

    def __post_init__(self) -> None:
        """Read the file; raise ConfigError if it contains no key, or a wrong line."""
        if wrong := self._read():
            raise wrong
        if not self._keys:
            raise ConfigError(f"{self.path} holds no key; put one on each line")

    def find(self, secret: str) -> Key | None:
        """Return a valid key, in a time that does not tell how much of it is right."""
        self._read()
        given = secret.encode()
        found = [key for known, key in self._keys if hmac.compare_digest(given, known)]
        return found[0] if found else None

    def _read(self) -> ConfigError | None:
        """Reload the keys if the file has changed; return the last error in it."""
        try:
            facts = self.path.stat()
            stamp = (facts.st_mtime_ns, facts.st_ino)
            if stamp == self._stamp:
                return None
            lines = self.path.read_text(errors="replace").splitlines()
        except OSError:
            return None
        self._stamp = stamp
        keys, wrong = [], None
        for number, line in enumerate(lines, start=1):
            try:
                keys += [Key.read(line)] if line.strip() else []
            except ConfigError as error:
                wrong = ConfigError(f"{self.path}, line {number}: {error.message}")
                self.log.error("key_line_invalid", path=str(self.path), line=number)
        if self._keys and not keys:
            self.log.warning("no_key_in_file", path=str(self.path), revoked=len(self._keys))
        self._keys = tuple(keys)
        return wrong


class KeyMiddleware:
    """Rejects requests without a valid key before reading their body."""

    def __init__(self, app: ASGIApp, *, keys: KeyRing) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an authorized request on, with its key; answer 401 otherwise."""
        if scope["type"] == "http" and not is_open(scope["path"]):
            scope["state"]["key"] = self._key_of(scope)
            if scope["state"]["key"] is None:
                error = KeyRefused(
                    "this service requires `Authorization: Bearer KEY` with a valid key"
                )
                scope["state"]["code"] = error.code
                await answer_to(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _key_of(self, scope: Scope) -> Key | None:
        kind, _, secret = Headers(scope=scope).get("authorization", "").partition(" ")
        return self._keys.find(secret.strip()) if kind.lower() == "bearer" else None
