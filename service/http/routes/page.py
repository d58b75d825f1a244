"""The page for people at `/`: files of this package, and the samples that it offers."""

from __future__ import annotations

import hashlib
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from service.formats.catalogue import every
from service.formats.format import Need
from service.http.api_keys import PAGE
from service.http.routes.dependencies import GatewayDep

router = APIRouter(include_in_schema=False)

_TYPES = {
    "icon.svg": "image/svg+xml",
    "page.css": "text/css",
    "page.js": "text/javascript",
}
_SAMPLE_TYPES = {".mp4": "video/mp4", ".webm": "video/webm"}
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
PAGE_HEADERS = {
    **_SAFE,
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
}
# Addresses with a version change with their contents.
ASKED_AGAIN = {**_SAFE, "Cache-Control": "no-cache"}
KEPT = {**_SAFE, "Cache-Control": "max-age=31536000, immutable"}


class OfferedFormat(BaseModel):
    """A form of the answer that the page offers to download."""

    name: str
    summary: str
    suffix: str
    drawn: bool
    """Whether the clip is decoded once more for it."""


class OfferedSample(BaseModel):
    """A clip to try."""

    name: str
    bytes: int


class PageFacts(BaseModel):
    """What the page has to know and nobody needs a key for."""

    keys: bool
    formats: list[OfferedFormat]
    samples: list[OfferedSample]


@router.head("/")
@router.get("/")
async def page(request: Request) -> HTMLResponse:
    """Return the page."""
    parts = {"root": escape(request.scope.get("root_path", "")), "version": version_of(*_TYPES)}
    text = Template(built("index.html").decode()).substitute(parts)
    return HTMLResponse(text, headers=PAGE_HEADERS)


@router.head(PAGE + "/facts.json")
@router.get(PAGE + "/facts.json")
def facts(gateway: GatewayDep) -> PageFacts:
    """Return what the page offers here."""
    return PageFacts(
        keys=gateway.settings.keys_file is not None,
        formats=[
            OfferedFormat(
                name=one.name,
                summary=one.summary,
                suffix=one.suffix,
                drawn=Need.PICTURES in one.needs,
            )
            for one in every()
        ],
        samples=[
            OfferedSample(name=path.name, bytes=path.stat().st_size)
            for path in _samples(gateway.settings.samples)
        ],
    )


@router.head(PAGE + "/samples/{name}")
@router.get(PAGE + "/samples/{name}")
def sample(name: str, gateway: GatewayDep) -> FileResponse:
    """Return a clip to try."""
    for path in _samples(gateway.settings.samples):
        if path.name == name:
            kind = _SAMPLE_TYPES[path.suffix]
            return FileResponse(path, media_type=kind, headers=ASKED_AGAIN)
    raise HTTPException(404)


@router.head(PAGE + "/{name}")
@router.get(PAGE + "/{name}")
async def asset(name: str, request: Request) -> Response:
    """Return a file of the page, which is kept for long if its version is asked for."""
    if name not in _TYPES:
        raise HTTPException(404)
    headers = KEPT if request.url.query == version_of(*_TYPES) else ASKED_AGAIN
    return Response(built(name), media_type=_TYPES[name], headers=headers)


@cache
def built(name: str) -> bytes:
    """Return a file of the pages; 404 if it was not built."""
    try:
        return (files("service.web") / "built" / name).read_bytes()
    except FileNotFoundError as error:
        raise HTTPException(404) from error


@cache
def version_of(*names: str) -> str:
    """Return a short text that changes with the files."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(built(name))
    return digest.hexdigest()[:12]


def _samples(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return sorted(path for path in folder.glob("*") if path.suffix in _SAMPLE_TYPES)
