"""The page for people at `/`: files of this package, and the samples that it offers."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from service.formats.catalogue import every
from service.formats.format import Need
from service.http.api_keys import PAGE
from service.http.built_files import ASKED_AGAIN, built_file, document
from service.http.routes.dependencies import GatewayDep

router = APIRouter(include_in_schema=False)

_TYPES = {
    "icon.svg": "image/svg+xml",
    "page.css": "text/css",
    "page.js": "text/javascript",
}
_SAMPLE_TYPES = {".mp4": "video/mp4", ".webm": "video/webm"}


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
    return document("index.html", request, _TYPES)


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
    return built_file(name, request, _TYPES)


def _samples(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return sorted(path for path in folder.glob("*") if path.suffix in _SAMPLE_TYPES)
