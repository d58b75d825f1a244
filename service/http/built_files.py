"""Files for browsers that the package holds, and what browsers are told with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

_POLICY = {
    "default-src": "'none'",
    "base-uri": "'none'",
    "connect-src": "'self'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "img-src": "'self' blob:",
    # The film that was chosen is shown from the browser's own memory.
    "media-src": "'self' blob:",
    "script-src": "'self'",
    "style-src": "'self'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
_SAFE = {"X-Content-Type-Options": "nosniff"}
_HEADERS = {
    **_SAFE,
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
}
# Addresses with a version change with their contents.
ASKED_AGAIN = {**_SAFE, "Cache-Control": "no-cache"}
_KEPT = {**_SAFE, "Cache-Control": "max-age=31536000, immutable"}


def document(name: str, request: Request, assets: Mapping[str, str]) -> HTMLResponse:
    """Return a document, with the root and the version of its assets put in."""
    root = escape(request.scope.get("root_path", ""))
    parts = {"root": root, "version": _version(tuple(assets))}
    return HTMLResponse(Template(_built(name).decode()).substitute(parts), headers=_HEADERS)


def built_file(name: str, request: Request, assets: Mapping[str, str]) -> Response:
    """Return one of some assets, whose types are told; kept for long if its version is asked."""
    headers = _KEPT if request.url.query == _version(tuple(assets)) else ASKED_AGAIN
    return Response(_built(name), media_type=assets[name], headers=headers)


@cache
def _built(name: str) -> bytes:
    return (files("service.web") / "built" / name).read_bytes()


@cache
def _version(names: tuple[str, ...]) -> str:
    """Return a short text that changes with the files."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(_built(name))
    return digest.hexdigest()[:12]
