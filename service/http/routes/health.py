"""Health endpoints: liveness, readiness, startup."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from service.http.routes.dependencies import GatewayDep
from service.understanding.schemas import Health

router = APIRouter(tags=["health"])

_NOT_NOW: dict[int | str, dict[str, Any]] = {
    503: {"model": Health, "description": "Not now; the reasons, if there are any."}
}


@router.head("/livez", include_in_schema=False)
@router.head("/v2/health/live", include_in_schema=False)
@router.get("/livez", summary="Is the process alive?")
@router.get("/v2/health/live", include_in_schema=False)
async def live() -> Health:
    """Answer 200 whenever the event loop runs, even if the service is busy or not ready."""
    return Health(status="live")


@router.head("/readyz", include_in_schema=False)
@router.head("/v2/health/ready", include_in_schema=False)
@router.get("/readyz", summary="Is the service ready?", responses=_NOT_NOW)
@router.get("/v2/health/ready", include_in_schema=False)
async def ready(gateway: GatewayDep, response: Response) -> Health:
    """Answer 503 with the reasons while requests should go elsewhere."""
    reasons = gateway.reasons_not_ready()
    response.status_code = 503 if reasons else 200
    return Health(
        status="not_ready" if reasons else "ready",
        reasons=reasons,
        sandbox={layer.value: found for layer, found in gateway.pool.sandbox.items()},
    )


@router.head("/startupz", include_in_schema=False)
@router.get("/startupz", summary="Has the service started?", responses=_NOT_NOW)
async def started(gateway: GatewayDep, response: Response) -> Health:
    """Answer 503 until the models are loaded and warm."""
    response.status_code = 200 if gateway.started else 503
    return Health(status="started" if gateway.started else "starting")
