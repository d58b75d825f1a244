"""Paths as clients and proxies write them: with a slash at the end, or under a prefix."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from service.http.api_keys import STUDIO

STUDIO_API = f"{STUDIO}/api"
"""Before all paths of the studio's API."""


class PathMiddleware:
    """Gives every request the path of its route.

    A slash at the end means nothing; a redirect would have the clip sent twice. The prefix is that
    of the address that clients use; whether the proxy removes it or not does not matter.
    """

    def __init__(self, app: ASGIApp, *, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http":
            path = self._within(scope["path"]).rstrip("/") or "/"
            scope = {**scope, "path": path, "root_path": self._prefix}
        await self._app(scope, receive, send)

    def _within(self, path: str) -> str:
        rest = path.removeprefix(self._prefix)
        return rest if not rest or rest.startswith("/") else path
