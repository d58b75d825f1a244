"""Serving for real: uvicorn, with a pause between `not ready` and `gone`."""

from __future__ import annotations

import asyncio
import signal
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.gateway import Gateway
from service.settings import Settings


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
    """Serve until a signal ends it."""
    app: FastAPI = create_app(settings)
    config = uvicorn.Config(app, host=host, port=port, access_log=False, log_level="warning")
    DrainingServer(config, app.state.gateway).run()
