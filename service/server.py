"""Run uvicorn with a drain period between not ready and stopping."""

from __future__ import annotations

import asyncio
import math
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from threading import Thread
from types import FrameType

import uvicorn
from fastapi import FastAPI
from prometheus_client import make_asgi_app
from starlette.types import ASGIApp

from service.app import create_app
from service.gateway import Gateway
from service.http.connection import Connections
from service.settings import Settings
from ssuformer.errors import ConfigError

_OTHER_DESCRIPTORS = 64


class DrainingServer(uvicorn.Server):
    """On SIGTERM: not ready at once, then serve for the drain period, then stop uvicorn."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal, or Ctrl-C, stops immediately."""
        delay = self._gateway.settings.drain_seconds
        again, self._gateway.draining = self._gateway.draining, True
        if sig != signal.SIGTERM or again or delay == 0:
            super().handle_exit(sig, frame)
            return
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(loop.call_later, delay, super().handle_exit, sig, frame)


def serve(
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    bound: Callable[[str, str], None] = lambda *_: None,
) -> None:
    """Serve until a signal, with metrics on a separate port; port 0 takes a free one.

    A thread serves the metrics, so that they can be read while the event loop is blocked. `bound`
    is called with both addresses once the ports are open. Raises ConfigError if one cannot be.
    """
    _allow_descriptors(settings)
    with closing(_bind(host, port, change="--host and --port")) as listener:
        app: FastAPI = create_app(settings)
        gateway: Gateway = app.state.gateway
        config = limited(app, gateway)
        with _metrics_served(gateway, host) as metrics:
            bound(address(host, listener.getsockname()[1]), address(host, metrics))
            DrainingServer(config, gateway).run(sockets=[listener])


def limited(app: ASGIApp, gateway: Gateway, *, port: str = "http") -> uvicorn.Config:
    """Return uvicorn's configuration, with the limits on connections."""
    settings = gateway.settings
    return uvicorn.Config(
        app,
        http=Connections(settings, gateway.metrics, gateway.log, port=port),  # type: ignore[arg-type]
        ws="none",
        forwarded_allow_ips=list(settings.trusted_proxies),
        access_log=False,
        log_config=None,
        log_level="error",
        timeout_keep_alive=settings.idle_seconds,  # type: ignore[arg-type]
        timeout_graceful_shutdown=math.ceil(settings.deadline_seconds + settings.transfer_seconds),
    )


def _allow_descriptors(settings: Settings) -> None:
    """Raise the soft limit on open files as far as the settings need; ConfigError if too low.

    At the limit, new connections would be reset without a word, those of the kubelet too.
    """
    clips = settings.uploads + settings.workers + settings.queue_limit
    needed = 2 * settings.connections + clips + 8 * settings.workers + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ConfigError(
            f"{needed} open files may be needed, the limit is {hard}; raise it (ulimit -n), or "
            "lower SSU_CONNECTIONS and SSU_UPLOADS",
            limit=hard,
            actual=needed,
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def address(host: str, port: int) -> str:
    """Return an address that can be opened on this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(host: str, port: int, *, change: str) -> socket.socket:
    listener = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        listener = socket.socket(*found[0][:3])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[0][4])
    except OSError as error:
        if listener is not None:
            listener.close()
        raise ConfigError(
            f"cannot listen on {host}, port {port} ({error.strerror}); choose others with {change}"
        ) from error
    return listener


@contextmanager
def _metrics_served(gateway: Gateway, host: str) -> Iterator[int]:
    """Serve the metrics from one thread, within the same limits as the service itself."""
    port = gateway.settings.metrics_port
    with closing(_bind(host, port, change="SSU_METRICS_PORT or --metrics-port")) as listener:
        app = make_asgi_app(gateway.metrics.registry)
        server = uvicorn.Server(limited(app, gateway, port="metrics"))
        thread = Thread(target=server.run, args=([listener],), name="metrics", daemon=True)
        port = listener.getsockname()[1]
        gateway.log.info("metrics", port=port)
        listener.listen()
        thread.start()
        try:
            yield port
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
