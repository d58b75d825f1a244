"""Information endpoints: limits and loaded models."""

from __future__ import annotations

from fastapi import APIRouter

from service.gateway import Gateway
from service.http.routes.dependencies import GatewayDep, KeyDep
from service.understanding.schemas import (
    Accepted,
    AcceptedJobs,
    AcceptedRequests,
    LoadedModel,
    Models,
)
from ssuformer.media.file_kind import FORMATS
from ssuformer.media.opening import AUDIO_CODECS, VIDEO_CODECS

router = APIRouter(tags=["information"])


@router.head("/limits", include_in_schema=False)
@router.get("/limits", summary="Limits on a clip")
async def limits(gateway: GatewayDep, key: KeyDep) -> Accepted:
    """Return the limits on a clip (exceeding one is 413 `clip_too_large`) and on requests."""
    settings = gateway.settings
    numbers = {"clips_per_minute", "seconds_per_day"}
    own = key.model_dump(include=numbers, exclude_none=True) if key else {}
    own = {f"key_{name}": value for name, value in own.items()}
    return Accepted(
        bytes=settings.max_bytes,
        pixels=settings.max_pixels,
        frames=settings.max_frames,
        decoded_pixels=settings.max_decoded_pixels,
        seconds=settings.max_seconds,
        samples=settings.max_samples,
        tracks=settings.clip_limits.tracks,
        decode_seconds=settings.decode_seconds,
        deadline_seconds=settings.deadline_seconds,
        queue=settings.queue_limit,
        jobs=_jobs(gateway),
        requests=AcceptedRequests.model_validate(settings).model_copy(update=own),
        formats=FORMATS.split(","),
        video_codecs=sorted(VIDEO_CODECS),
        audio_codecs=[*sorted(AUDIO_CODECS), "pcm_*", "adpcm_*"],
    )


def _jobs(gateway: Gateway) -> AcceptedJobs | None:
    jobs = gateway.jobs
    if jobs is None:
        return None
    which = {"fetches": jobs.fetches, "webhooks": jobs.calls}
    return AcceptedJobs.model_validate(gateway.settings).model_copy(update=which)


@router.head("/models", include_in_schema=False)
@router.get("/models", summary="Loaded models")
async def models(gateway: GatewayDep) -> Models:
    """Return the loaded weights, with their measured quality."""
    facts = gateway.current.engine.facts
    loaded = LoadedModel.of(facts.manifest, digest=facts.digest, device=facts.device)
    return Models(models=[loaded])
