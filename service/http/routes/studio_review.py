"""Review in the studio: doubts, the queue, another sound, agreement and adjudication."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from service.http.bounded_body import BoundedRoute
from service.http.documented_problems import OF_STUDIO, STUDIO_CLIP_PROBLEMS, problems
from service.http.routes.dependencies import GatewayDep
from service.http.routes.studio_dependencies import (
    API,
    MeDep,
    ReadyClip,
    StudioDep,
    in_time,
)
from service.studio.layers import MODEL, Layer
from service.studio.review import Review, check_two
from service.studio.schemas import Adjudication, Agreement, Doubts, OtherClip, Queue
from ssuformer.errors import DeadlineExceeded, JobsUnavailable, OptionError

router = APIRouter(
    prefix=API,
    tags=["studio"],
    responses=problems(*OF_STUDIO, JobsUnavailable, OptionError, DeadlineExceeded),
    route_class=BoundedRoute,
)


def _review(request: Request, studio: StudioDep) -> Review:
    state = request.app.state
    if getattr(state, "review", None) is None:
        state.review = Review(studio)
    found: Review = state.review
    return found


ReviewDep = Annotated[Review, Depends(_review)]
Name = Annotated[str, Query(min_length=1, max_length=64)]


@router.get("/clips/{clip}/doubts", summary="What to look at in a layer")
async def layer_doubts(
    request: Request,
    clip: ReadyClip,
    gateway: GatewayDep,
    review: ReviewDep,
    layer: Name = MODEL,
) -> Doubts:
    """Return where sound and masks, ear and eye, or neighbouring frames disagree."""
    return await in_time(review.doubts(clip, layer), request, gateway)


@router.get("/projects/{project}/queue", summary="Clips by doubt")
async def review_queue(
    request: Request, project: str, gateway: GatewayDep, review: ReviewDep
) -> Queue:
    """Return the clips that are ready, the most doubtful first.

    What is found of a layer is remembered: asked again after a time-out, it goes on.
    """
    return await in_time(review.queue(project), request, gateway)


@router.post(
    "/clips/{clip}/swap",
    responses=STUDIO_CLIP_PROBLEMS,
    summary="The model's answer with the sound of another clip",
)
async def swap_sound(
    request: Request,
    clip: ReadyClip,
    wanted: OtherClip,
    gateway: GatewayDep,
    review: ReviewDep,
    me: MeDep,
) -> Layer:
    """Return what the model finds in this film with another sound; it is not saved."""
    return await in_time(review.swap(clip, wanted.other, me=me), request, gateway)


@router.get("/clips/{clip}/agreement", summary="How far two annotators agree")
async def annotators_agreement(
    request: Request, clip: ReadyClip, gateway: GatewayDep, review: ReviewDep, a: Name, b: Name
) -> Agreement:
    """Return J and interval F of two layers, pair by pair, and where they differ."""
    check_two(a, b)
    return await in_time(review.agreement(clip, a, b), request, gateway)


@router.post("/clips/{clip}/adjudicate", summary="Take what is right of two layers")
async def adjudicate(clip: ReadyClip, wanted: Adjudication, review: ReviewDep, me: MeDep) -> Layer:
    """Write the tracks that are taken as the layer `agreed`, in the place of an earlier one."""
    check_two(wanted.a, wanted.b)
    return await review.adjudicate(clip, wanted, me=me)
