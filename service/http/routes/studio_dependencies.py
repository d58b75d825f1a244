"""What all routes of the studio share."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request

from service.gateway import Gateway
from service.http.deadline import within
from service.http.paths import STUDIO_API
from service.http.routes.dependencies import GatewayDep, key_of, trace_of
from service.studio.records import Clip
from service.studio.studio import Studio
from service.telemetry.stages import StageClock
from ssuformer.errors import KeyRefused, StudioNotFound

API = STUDIO_API
T = TypeVar("T")


def _studio(gateway: GatewayDep) -> Studio:
    if gateway.studio is None:
        raise StudioNotFound("this service has no studio")
    return gateway.studio


def _me(request: Request) -> str:
    key = key_of(request)
    if key is None:
        raise KeyRefused("the studio needs a key, whose name is the annotator's")
    return key.name


StudioDep = Annotated[Studio, Depends(_studio)]
MeDep = Annotated[str, Depends(_me)]


async def _ready(clip: str, studio: StudioDep) -> Clip:
    return await studio.ready_clip(clip)


ReadyClip = Annotated[Clip, Depends(_ready)]
"""The clip of the path, which has to be ready."""


async def in_time(work: Coroutine[Any, Any, T], request: Request, gateway: Gateway) -> T:
    """Return what work returns; cancel it at the deadline, or when the client leaves."""
    clock, seconds = StageClock(trace_of(request)), gateway.settings.deadline_seconds
    with clock.stage("postprocess"):
        return await within(seconds, work, clock=clock, client=request)
