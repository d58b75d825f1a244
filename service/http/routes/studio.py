"""Projects and clips of the studio."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from service.formats.catalogue import every
from service.formats.format import Need
from service.http.bounded_body import BoundedRoute
from service.http.documented_problems import OF_STUDIO, STUDIO_CLIP_PROBLEMS, problems
from service.http.file_range import binary, file_response
from service.http.openapi import form_body
from service.http.routes.dependencies import GatewayDep, key_of
from service.http.routes.studio_dependencies import (
    API,
    MeDep,
    ReadyClip,
    StudioDep,
    in_time,
)
from service.jobs.files import CLIP
from service.jobs.jobs import Sent
from service.studio.readers.catalogue import IMPORTS
from service.studio.schemas import (
    NewProject,
    Onsets,
    StudioClip,
    StudioFacts,
    StudioFormat,
    StudioProject,
    StudioProjects,
    StudioTools,
)
from ssuformer.errors import JobsUnavailable, OptionError, Overloaded, StudioNotFound

router = APIRouter(
    prefix=API,
    tags=["studio"],
    responses=problems(*OF_STUDIO, JobsUnavailable, OptionError),
    route_class=BoundedRoute,
)

_FIELD = "clip"
_FILMS = {"mp4": "video/mp4", "webm": "video/webm", "mkv": "video/x-matroska"}
_FILM = binary(*_FILMS.values())
_NO_RANGE = {"description": "The range is not in the file."}
_FILM_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox",
    "Cache-Control": "private, max-age=3600",
}


@router.get("/facts", summary="What the studio is like here")
async def studio_facts(gateway: GatewayDep, studio: StudioDep, me: MeDep) -> StudioFacts:
    """Return tools, limits, formats and names; tools are loaded when it is first asked."""
    settings = gateway.settings
    names = ("clip_seconds", "clip_bytes", "projects", "clips", "tracks", "disk", "tool_seconds")
    manifest = gateway.current.engine.facts.manifest
    return StudioFacts(
        fps=NewProject(name="x").fps,
        tools=StudioTools(**await studio.tool_names()),
        limits={name: getattr(settings, f"studio_{name}") for name in names},
        formats=[
            StudioFormat(
                name=one.name, suffix=one.suffix, summary=one.summary, imports=one.name in IMPORTS
            )
            for one in every()
            if Need.PICTURES not in one.needs
        ],
        categories=list(manifest.categories),
        me=me,
    )


@router.post("/projects", status_code=201, summary="Make a project")
async def make_project(wanted: NewProject, studio: StudioDep, me: MeDep) -> StudioProject:
    """Make a project; all keys of the service share it."""
    return StudioProject.of(await studio.make_project(wanted, maker=me))


@router.get("/projects", summary="All projects, the newest first")
async def list_projects(studio: StudioDep) -> StudioProjects:
    """Return all projects, without their clips."""
    found = await studio.store.projects()
    return StudioProjects(projects=[StudioProject.of(one) for one in found])


@router.get("/projects/{project}", summary="A project and its clips")
async def project_details(project: str, studio: StudioDep) -> StudioProject:
    """Return a project with its clips, and how far each is."""
    found = await studio.store.project(project)
    clips = await studio.store.clips(found.id)
    layers = await studio.store.layers([clip.id for clip in clips])
    told = [StudioClip.of(clip, layers, fps=found.fps) for clip in clips]
    return StudioProject.of(found, told)


@router.delete("/projects/{project}", status_code=204, summary="Delete a project with its clips")
async def delete_project(project: str, studio: StudioDep, me: MeDep) -> None:
    """Delete a project with its clips and all layers; only who has made it can."""
    await studio.delete_project(project, by=me)


@router.post(
    "/projects/{project}/clips",
    status_code=202,
    response_model=StudioClip,
    responses=STUDIO_CLIP_PROBLEMS,
    openapi_extra=form_body(_FIELD, "The film."),
    summary="Send a clip to a project",
)
async def send_clip(
    request: Request, project: str, gateway: GatewayDep, studio: StudioDep, me: MeDep
) -> StudioClip:
    """Take a film as multipart field `clip`, or as the raw body; it is prepared afterwards."""
    found = await studio.store.project(project)
    if key := key_of(request):
        gateway.allowances.take(key)
    limit = gateway.settings.studio_clip_bytes
    upload = await gateway.uploads.receive(request, limit=limit, field=_FIELD)
    gateway.metrics.clip_bytes.observe(upload.size)
    async with gateway.uploads.closing(upload):
        sent = Sent(upload.descriptor, upload.size)
        clip = await studio.add_clip(project, sent, upload.name, sender=me)
    return StudioClip.of(clip, [], fps=found.fps)


@router.get("/clips/{clip}", summary="A clip and its layers")
async def clip_details(clip: str, studio: StudioDep) -> StudioClip:
    """Return how far a clip is, and who has worked on it."""
    found = await studio.store.clip(clip)
    project = await studio.store.project(found.project)
    return StudioClip.of(found, await studio.store.layers([clip]), fps=project.fps)


@router.delete("/clips/{clip}", status_code=204, summary="Delete a clip with its layers")
async def delete_clip(clip: str, studio: StudioDep, me: MeDep) -> None:
    """Delete a clip with all layers; its sender can, and the maker of its project."""
    await studio.delete_clip(clip, by=me)


@router.get(
    "/clips/{clip}/film",
    response_class=Response,
    responses={200: _FILM, 206: _FILM, 416: _NO_RANGE},
    summary="The film of a clip",
)
async def clip_film(request: Request, clip: str, studio: StudioDep) -> Response:
    """Return the film as it was sent, or the range of it that is asked for."""
    found = await studio.store.clip(clip)
    kind = _FILMS.get(found.name.rpartition(".")[2].lower(), "application/octet-stream")
    opened = studio.media.files.opened(found.id, CLIP)
    return await file_response(opened, request, media_type=kind, headers=_FILM_HEADERS)


@router.get(
    "/clips/{clip}/frames/{frame}",
    response_class=Response,
    responses={200: {"description": "A JPEG.", "content": {"image/jpeg": {}}}},
    summary="An annotation frame",
)
async def clip_frame(clip: ReadyClip, frame: int, studio: StudioDep) -> Response:
    """Return an annotation frame, of at most 1280 pixels each way."""
    if not 0 <= frame < clip.frames:
        raise StudioNotFound(f"the clip has {clip.frames} annotation frames", limit=clip.frames)
    content = await studio.picture(clip, frame)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=86400"}
    return Response(content, media_type="image/jpeg", headers=headers)


@router.get(
    "/clips/{clip}/onsets",
    responses=problems(*OF_STUDIO, JobsUnavailable, Overloaded),
    summary="Where something begins to sound",
)
async def clip_onsets(
    request: Request, clip: ReadyClip, gateway: GatewayDep, studio: StudioDep
) -> Onsets:
    """Return the seconds at which something begins to sound, for edges to snap to."""
    found = await in_time(studio.tools.onsets(clip), request, gateway)
    return Onsets(onsets=found)
