"""The page of the studio at `/studio`: files of this package."""

from __future__ import annotations

from html import escape
from string import Template

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from service.http.api_keys import STUDIO
from service.http.routes.page import ASKED_AGAIN, KEPT, PAGE_HEADERS, built, version_of

router = APIRouter(include_in_schema=False)

_PAGE = "studio.html"
_TYPES = {"studio.css": "text/css", "studio.js": "text/javascript"}


@router.head(STUDIO)
@router.get(STUDIO)
async def studio_page(request: Request) -> HTMLResponse:
    """Return the page."""
    root = escape(request.scope.get("root_path", ""))
    parts = {"root": root, "version": version_of(*_TYPES)}
    text = Template(built(_PAGE).decode()).substitute(parts)
    return HTMLResponse(text, headers=PAGE_HEADERS)


@router.head(STUDIO + "/{name}")
@router.get(STUDIO + "/{name}")
async def studio_asset(name: str, request: Request) -> Response:
    """Return a file of the page, which is kept for long if its version is asked for."""
    if name not in _TYPES:
        raise HTTPException(404)
    headers = KEPT if request.url.query == version_of(*_TYPES) else ASKED_AGAIN
    return Response(built(name), media_type=_TYPES[name], headers=headers)
