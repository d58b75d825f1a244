"""The studio for people at `/studio`: files of this package; its API needs a key."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from service.http.api_keys import STUDIO
from service.http.built_files import built_file, document

router = APIRouter(include_in_schema=False)

_TYPES = {"studio.css": "text/css", "studio.js": "text/javascript"}


@router.head(STUDIO)
@router.get(STUDIO)
async def studio(request: Request) -> HTMLResponse:
    """Return the studio's document."""
    return document("studio.html", request, _TYPES)


@router.head(STUDIO + "/studio.js")
@router.get(STUDIO + "/studio.js")
async def script(request: Request) -> Response:
    """Return the studio's script."""
    return built_file("studio.js", request, _TYPES)


@router.head(STUDIO + "/studio.css")
@router.get(STUDIO + "/studio.css")
async def style(request: Request) -> Response:
    """Return the studio's style."""
    return built_file("studio.css", request, _TYPES)
