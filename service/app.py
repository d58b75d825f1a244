"""The application: `create_app(settings)`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TextIO

from fastapi import FastAPI

from service.engines.engine import Engine
from service.gateway import Gateway
from service.http.api_keys import DOCUMENT, KeyMiddleware, KeyRing
from service.http.compression import CompressionMiddleware
from service.http.cross_origin import CrossOriginMiddleware
from service.http.openapi import DocumentedApp
from service.http.paths import PathMiddleware
from service.http.problems import add_problem_handlers
from service.http.request_log import RequestLogMiddleware
from service.http.routes import documentation, health, information, page, understand
from service.http.unread_body import UnreadBodyMiddleware
from service.settings import Settings, settings_for
from service.weights.source import Clock, Source

_DESCRIPTION = (
    "Send a clip; get back, for every second of it, a mask of each *sound source*, with a "
    "sentence about it. Errors are RFC 9457 problems with a stable `code`."
)


def create_app(
    settings: Settings | None = None,
    *,
    engine: Engine | None = None,
    source: Source | None = None,
    clock: Clock | None = None,
    log_stream: TextIO | None = None,
) -> FastAPI:
    """Return a new application; an engine, or a source of engines, may be passed in."""
    settings = settings or settings_for()
    gateway = Gateway.build(settings, log_stream, source=source, clock=clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with gateway.running(engine):
            yield

    app = DocumentedApp(
        title="SSUFormer",
        summary="Region-aware sound source understanding.",
        description=_DESCRIPTION,
        version="0.1.0",
        lifespan=lifespan,
        redirect_slashes=False,
        # FastAPI's own would send queries, addresses and exceptions with their messages.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        license_info={"name": "Apache-2.0"},
    )
    app.keys = settings.keys_file is not None
    app.state.gateway = gateway
    _add_middleware(app, gateway)
    add_problem_handlers(app)
    for routes in (understand, information, health, documentation, page):
        app.include_router(routes.router)
    if gateway.jobs is not None:
        from service.http.routes import jobs

        app.include_router(jobs.router)
    if gateway.studio is not None:
        _include_studio(app)
    return app


def _include_studio(app: FastAPI) -> None:
    from service.http.routes import (
        studio,
        studio_data,
        studio_layers,
        studio_page,
        studio_review,
    )

    for routes in (studio, studio_layers, studio_review, studio_data, studio_page):
        app.include_router(routes.router)


def _add_middleware(app: FastAPI, gateway: Gateway) -> None:
    """Add all middleware; what is added last is the outermost."""
    settings = gateway.settings
    if settings.keys_file is not None:
        app.add_middleware(KeyMiddleware, keys=KeyRing(settings.keys_file, gateway.log))
    app.add_middleware(CompressionMiddleware)
    # Outside the keys, so rejected requests are counted, too.
    app.add_middleware(
        RequestLogMiddleware, metrics=gateway.metrics, log=gateway.log, traces=gateway.traces
    )
    app.add_middleware(UnreadBodyMiddleware)
    if settings.cors_origins:
        # Preflights have no key; and a page may read errors, too.
        app.add_middleware(CrossOriginMiddleware, origins=settings.cors_origins)
    app.add_middleware(PathMiddleware, prefix=settings.root_path)
