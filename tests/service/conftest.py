import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.app import create_app
from service.engines.engine import Engine
from service.gateway import Gateway
from service.settings import Settings
from service.weights.source import Clock, Source
from tests.ssuformer.footage import Footage, flash_in


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Running:
    """An application that has started, a client for it, and what it has logged."""

    app: FastAPI
    client: httpx.AsyncClient
    written: io.StringIO = field(repr=False)

    @property
    def gateway(self) -> Gateway:
        gateway: Gateway = self.app.state.gateway
        return gateway

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.written.getvalue().splitlines()]

    async def understand(self, clip: bytes, **options: object) -> httpx.Response:
        return await self.client.post(
            "/understand",
            content=clip,
            params={name: str(value).lower() for name, value in options.items()},
        )

    def metric(self, name: str, /, **labels: str) -> float:
        return self.gateway.metrics.registry.get_sample_value(name, labels) or 0.0


def small_settings(**more: object) -> Settings:
    values = {"engine": "fake", "workers": 1, "decode_threads": 1, **more}
    return Settings.model_validate(values)


def descendants(process: int | str = "self") -> Iterator[int]:
    """Every process that this one has started, whichever of its threads it was, and theirs."""
    for found in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            for number in found.read_text().split():
                yield int(number)
                yield from descendants(int(number))


def children() -> list[int]:
    """Every decoding process: they alone may write no file."""
    return sorted(number for number in descendants() if _limit(number, "Max file size") == "0")


def _limit(process: int, name: str) -> str | None:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{process}/limits").read_text().splitlines():
            if line.startswith(name):
                return line[26:].split()[0]
    return None


@asynccontextmanager
async def run(
    settings: Settings,
    engine: Engine | None = None,
    *,
    source: Source | None = None,
    clock: Clock | None = None,
    program: str | None = None,
) -> AsyncIterator[Running]:
    """Run an application; a `program` takes the place of that which decodes."""
    written = io.StringIO()
    app = create_app(settings, engine=engine, source=source, clock=clock, log_stream=written)
    if program is not None:
        app.state.gateway.pool._templates._program = program
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        plain = {"Accept-Encoding": "identity"}
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", headers=plain
        ) as client:
            yield Running(app, client, written)


@pytest.fixture(scope="module")
async def running(anyio_backend: str) -> AsyncIterator[Running]:  # noqa: ARG001
    async with run(small_settings()) as started:
        yield started


@pytest.fixture(scope="session")
def clip() -> bytes:
    """Four seconds of 64x48: dark, and bright in second 2; a beep from second 1 to 3."""
    return Footage(paint=flash_in(2), beep=(1.0, 3.0)).make()
