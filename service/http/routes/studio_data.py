"""Projects of the studio out and in: formats, and where everything in them came from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.http.documented_problems import OF_STUDIO, STUDIO_CLIP_PROBLEMS, problems
from service.http.openapi import form_body
from service.http.routes.dependencies import GatewayDep
from service.http.routes.studio_dependencies import API, MeDep, StudioDep, in_time
from service.http.upload import FIELD
from service.http.written_answer import answer_file, file_of
from service.studio.exporting import Export, Wanted, provenance
from service.studio.importing import Import
from service.studio.review import BEST
from service.studio.schemas import Imported
from ssuformer.errors import DeadlineExceeded, JobsUnavailable, OptionError, StorageFull

router = APIRouter(
    prefix=f"{API}/projects/{{project}}",
    tags=["studio"],
    responses=problems(*OF_STUDIO, JobsUnavailable, OptionError, StorageFull, DeadlineExceeded),
)

_ZIP = {
    "description": "The archive.",
    "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
}
_LINES = {
    "description": "A JSON object on each line.",
    "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
}


@router.get("/export", response_class=Response, responses={200: _ZIP}, summary="A project as files")
async def export_project(
    request: Request,
    project: str,
    gateway: GatewayDep,
    studio: StudioDep,
    format: Annotated[str, Query(max_length=40)],
    layer: Annotated[str, Query(min_length=1, max_length=64)] = BEST,
    held_out: Annotated[float, Query(ge=0, le=1, allow_inf_nan=False)] = 0.0,
) -> Response:
    """Return a zip with a document for each clip; as `ra-ssu`, one data set for training.

    `layer` is an annotator, `agreed`, or `best`: the agreed one, else an accepted one, else the
    newest. Of `ra-ssu` the share `held_out` of the clips is in the split `val`, others in `train`.
    """
    found = await studio.store.project(project)
    with answer_file() as file:
        work = Export(studio, found, Wanted(format, layer, held_out)).write(file)
        await in_time(work, request, gateway)
        return file_of(file, f"{found.name}.{format}.zip", media_type="application/zip")


@router.post(
    "/import",
    responses=STUDIO_CLIP_PROBLEMS,
    openapi_extra=form_body(FIELD, "A document, or a zip of them."),
    summary="Read files of other tools into my layers",
)
async def import_project(
    request: Request,
    project: str,
    gateway: GatewayDep,
    studio: StudioDep,
    me: MeDep,
    format: Annotated[str, Query(max_length=40)],
) -> Imported:
    """Read a document, or a zip as `export` writes it, in the place of my layers of its clips."""
    found = await studio.store.project(project)
    reading = Import(studio, found, format, me=me)
    limit = gateway.settings.studio_clip_bytes
    upload = await gateway.uploads.receive(request, limit=limit)
    async with gateway.uploads.closing(upload):
        upload.file.seek(0)
        work = reading.read(upload.file, upload.name or "the file")
        return await in_time(work, request, gateway)


@router.get(
    "/provenance.jsonl",
    response_class=StreamingResponse,
    responses={200: _LINES},
    summary="Who made each mask and each sentence",
)
async def project_provenance(project: str, studio: StudioDep) -> Response:
    """Return a line for each mask and interval: its maker, tool, model and time."""
    found = await studio.store.project(project)
    return StreamingResponse(provenance(studio, found), media_type="application/x-ndjson")
