"""Serving for real: uvicorn, with a pause between `not ready` and `gone`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI
from prometheus_client import start_http_server

from service.app import create_app
from service.gateway import Gateway
from service.settings import Settings
from ssuformer.errors import ConfigError


class DrainingServer(uvicorn.Server):
    """On SIGTERM: not ready at once, serving as before for a while, then uvicorn's own stop."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal, or Ctrl-C, stops without waiting."""
        delay = self._gateway.settings.drain_seconds
        if sig != signal.SIGTERM or self._gateway.draining or delay == 0:
            super().handle_exit(sig, frame)
            return
        self._gateway.draining = True
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, delay, super().handle_exit, sig, frame)


def serve(settings: Settings, *, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Serve until a signal ends it, and metrics on a port of their own; 0 takes a free one.

    A thread answers for metrics, so that they can be read while the event loop is late. Raises
    ConfigError if their port is taken.
    """
    app: FastAPI = create_app(settings)
    gateway: Gateway = app.state.gateway
    config = uvicorn.Config(app, host=host, port=port, access_log=False, log_level="warning")
    with _metrics_served(gateway, host):
        DrainingServer(config, gateway).run()


@contextmanager
def _metrics_served(gateway: Gateway, host: str) -> Iterator[None]:
    port = gateway.settings.metrics_port
    try:
        server, thread = start_http_server(port, host, gateway.metrics.registry)
    except OSError as error:
        raise ConfigError(
            f"metrics cannot be served on port {port} ({error.strerror}); "
            "choose another with SSU_METRICS_PORT or --metrics-port"
        ) from error
    gateway.log.info("metrics", port=server.server_port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
