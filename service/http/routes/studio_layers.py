"""Layers of the studio: read, begun, changed, and the tools that help with them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.gateway import Gateway
from service.http.bounded_body import BoundedRoute
from service.http.deadline import left
from service.http.documented_problems import OF_STUDIO, problems
from service.http.problems import problem_body
from service.http.routes.dependencies import GatewayDep
from service.http.routes.studio_dependencies import (
    API,
    MeDep,
    ReadyClip,
    StudioDep,
    in_time,
)
from service.studio.layers import Layer
from service.studio.schemas import (
    Edits,
    MadeMask,
    MaskPrompt,
    NewLayer,
    Propagation,
    ProposedSentences,
    Saved,
    SentenceQuestion,
)
from ssuformer.errors import (
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    JobsUnavailable,
    OptionError,
    Overloaded,
    SsuError,
)

router = APIRouter(
    prefix=f"{API}/clips/{{clip}}",
    tags=["studio"],
    responses=problems(*OF_STUDIO, JobsUnavailable, OptionError),
    route_class=BoundedRoute,
)

_OF_TOOLS = problems(
    *OF_STUDIO, JobsUnavailable, OptionError, Overloaded, DeadlineExceeded, EngineError,
    EngineUnavailable,
)  # fmt: skip
_LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": (
            'A line for each frame, `{"frame": 7, "mask": RLE, "held": true, "revision": 9}`, and '
            'at last `{"end": "done", "frame": 12}`: `done`, `lost`, `locked` or `cut`; or '
            '`{"problem": ...}`.'
        ),
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    },
    **_OF_TOOLS,
}


@router.get(
    "/layers/{annotator}",
    responses=problems(*OF_STUDIO, JobsUnavailable, OptionError, DeadlineExceeded),
    summary="A layer",
)
async def read_layer(
    request: Request,
    clip: ReadyClip,
    annotator: str,
    gateway: GatewayDep,
    studio: StudioDep,
    revision: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> Layer:
    """Return a layer as it is, or as it was at a revision; `model` is the pre-label."""
    if revision is None:
        return await studio.layer(clip, annotator)
    return await in_time(studio.layer_then(clip, annotator, revision), request, gateway)


@router.post("/layers", status_code=201, summary="Begin my layer")
async def begin_layer(clip: ReadyClip, wanted: NewLayer, studio: StudioDep, me: MeDep) -> Layer:
    """Begin my layer, empty or as a copy of another's."""
    return await studio.begin_layer(clip, wanted.source, me=me)


@router.patch("/layers/mine", summary="Save edits of my layer")
async def save_edits(clip: ReadyClip, edits: Edits, studio: StudioDep, me: MeDep) -> Saved:
    """Save all edits, or none; the same `id` again is answered as the first time."""
    return Saved(revision=await studio.save(clip, edits, me=me))


@router.post("/masks", responses=_OF_TOOLS, summary="Make a mask of what is shown")
async def make_mask(
    request: Request, clip: ReadyClip, prompt: MaskPrompt, gateway: GatewayDep, studio: StudioDep
) -> MadeMask:
    """Return a mask of what points, a box or a stroke show; it is not saved."""
    return await in_time(studio.tools.mask(clip, prompt), request, gateway)


@router.post("/sentences", responses=_OF_TOOLS, summary="Propose sentences for a track")
async def propose_sentences(
    request: Request,
    clip: ReadyClip,
    asked: SentenceQuestion,
    gateway: GatewayDep,
    studio: StudioDep,
    me: MeDep,
) -> ProposedSentences:
    """Return sentences about a track of my layer at a frame; they are not saved."""
    work = studio.propose(clip, asked.frame, asked.track, me=me)
    return await in_time(work, request, gateway)


@router.post(
    "/propagate",
    response_class=StreamingResponse,
    responses=_LINES,
    summary="Carry a mask of my layer on through frames",
)
async def propagate(
    request: Request,
    clip: ReadyClip,
    asked: Propagation,
    gateway: GatewayDep,
    studio: StudioDep,
    me: MeDep,
) -> Response:
    """Save a mask for each frame up to `to`, and tell of it; closing the connection stops it."""
    items = await studio.propagate(clip, asked, me=me)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    lines = _lines(items, request, gateway)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


async def _lines(
    items: AsyncGenerator[dict[str, Any], None], request: Request, gateway: Gateway
) -> AsyncIterator[bytes]:
    """Yield a line for each item, until the client leaves: then its work ends at once."""
    told: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    # Tasks of their own: a response whose client has left is cancelled at each of its awaits.
    work = asyncio.create_task(_tell(items, told, gateway))
    gone = asyncio.create_task(left(request))
    gone.add_done_callback(lambda _: work.cancel())
    try:
        while (item := await told.get()) is not None:
            yield orjson.dumps(item) + b"\n"
    finally:
        gone.cancel()
        work.cancel()


async def _tell(
    items: AsyncGenerator[dict[str, Any], None],
    told: asyncio.Queue[dict[str, Any] | None],
    gateway: Gateway,
) -> None:
    """Put all items, the problem that ends them, and None after the last."""
    try:
        async with aclosing(items):
            async for item in items:
                told.put_nowait(item)
                if gateway.draining and "end" not in item:
                    told.put_nowait({"end": "cancelled", "frame": item["frame"]})
                    return
    except SsuError as error:
        told.put_nowait({"problem": problem_body(error)})
    finally:
        told.put_nowait(None)
