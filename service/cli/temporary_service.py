"""A temporary service on a free local port, and the client of one service or another."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import uvicorn

from service.app import create_app
from service.engines.engine import Engine
from service.gateway import load_engine
from service.server import limited
from service.settings import Settings, settings_for
from ssu.calls import Retry
from ssu.client import Client
from ssuformer.errors import EngineUnavailable
from ssuformer.terminal import console

LOOPBACK = "127.0.0.1"
_LOOK_AGAIN = 0.02
_STOP_SECONDS = 30.0
_PATIENT_SECONDS = 3600.0


@contextmanager
def hosted(settings: Settings, engine: Engine | None = None) -> Iterator[str]:
    """Run a service in a thread, yield its address, stop it at the end.

    Raises an EngineError if the models cannot be loaded.
    """
    engine = load_engine(settings) if engine is None else engine
    app = create_app(settings, engine=engine, log_stream=sys.stderr)
    server = uvicorn.Server(limited(app, app.state.gateway))
    with closing(socket.create_server((LOOPBACK, 0))) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), name="service")
        thread.start()
        try:
            _wait(server, thread)
            yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(_STOP_SECONDS)


@contextmanager
def client_of(
    url: str | None,
    *,
    key: str | None = None,
    models: Path | None = None,
    engine: str | None = None,
) -> Iterator[Client]:
    """Yield a client of the service with this URL, or of a temporary one."""
    with ExitStack() as stack:
        if url is None:
            settings = settings_for(
                models=models,
                engine=engine,
                workers=1,
                log_level="error",
                deadline_seconds=_PATIENT_SECONDS,
                decode_seconds=_PATIENT_SECONDS,
            )
            with console(errors=True).status("starting a service"):
                url = stack.enter_context(hosted(settings))
        yield stack.enter_context(Client(url, key=key, retry=Retry(times=2)))


def free_port(host: str = LOOPBACK) -> int:
    """Return a port that is free at the moment."""
    with closing(socket.create_server((host, 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise EngineUnavailable("the service could not start; see its log above")
        time.sleep(_LOOK_AGAIN)
