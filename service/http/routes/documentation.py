"""The documentation for people: Swagger UI, from files of this service alone."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from service.http.api_keys import DOCUMENT, DOCUMENTATION

router = APIRouter(include_in_schema=False)

_TYPES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_START = """\
SwaggerUIBundle({
  url: document.body.dataset.document,
  dom_id: "#documentation",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: true,
  validatorUrl: null,
});
"""
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="{folder}/favicon-32x32.png">
<link rel="stylesheet" href="{folder}/swagger-ui.css">
</head>
<body data-document="{document}">
<div id="documentation"></div>
<script src="{folder}/swagger-ui-bundle.js"></script>
<script src="{folder}/start.js"></script>
</body>
</html>
"""
_HEADERS = {
    # Nothing from elsewhere, and no script in the page itself.
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    ),
    "X-Content-Type-Options": "nosniff",
}
_KEPT = {"Cache-Control": "max-age=86400", "X-Content-Type-Options": "nosniff"}


@router.head(DOCUMENTATION, include_in_schema=False)
@router.get(DOCUMENTATION)
async def documentation(request: Request) -> HTMLResponse:
    """Return the page."""
    prefix = escape(request.scope.get("root_path", ""))
    parts: dict[str, Any] = {
        "title": escape(request.app.title),
        "folder": prefix + DOCUMENTATION,
        "document": prefix + DOCUMENT,
    }
    return HTMLResponse(_PAGE.format(**parts), headers=_HEADERS)


@router.get(DOCUMENTATION + "/start.js")
async def start() -> Response:
    """Return what fills the page."""
    return Response(_START, media_type="text/javascript", headers=_KEPT)


@router.get(DOCUMENTATION + "/{name}")
def asset(name: str) -> Response:
    """Return a file of Swagger UI."""
    if name not in _TYPES:
        raise HTTPException(404)
    content = (files("fastapi_swagger") / "resources" / name).read_bytes()
    return Response(content, media_type=_TYPES[name], headers=_KEPT)
