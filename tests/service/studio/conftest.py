"""Gateways with a studio, and two annotators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from service.settings import Settings
from ssuformer.masks import Mask, decode_rle, encode_rle
from tests.service.conftest import Running, run, small_settings
from tests.service.jobs.conftest import (
    BINARIES as BINARIES,
)
from tests.service.jobs.conftest import (
    PATIENCE,
    postgresql,
    until,
)
from tests.service.jobs.conftest import (
    database as database,
)
from tests.service.jobs.conftest import (
    postgres as postgres,
)
from tests.service.jobs.conftest import (
    postgres_folder as postgres_folder,
)
from tests.service.jobs.conftest import (
    store_url as store_url,
)
from tests.ssuformer.footage import Footage

API = "/studio/api"
__all__ = ["PATIENCE", "postgresql"]
KEYS = "alice-secret name=alice\nbob-secret name=bob\nmodel-secret name=model\n"


def studio_settings(folder: Path, **more: object) -> Settings:
    keys = folder / "keys"
    keys.write_text(KEYS)
    values: dict[str, object] = {
        "jobs": f"sqlite:///{folder}/jobs.sqlite",
        "jobs_folder": str(folder / "files"),
        "keys_file": keys,
        "studio": True,
        "studio_masks": "grabcut",
        "probe_seconds": 3600,
        **more,
    }
    return small_settings(**values)


def square(_: int, time: float) -> Any:  # noqa: ANN401
    """Paint a bright square that moves to the right, on a grey ground."""
    picture = np.full((96, 128, 3), 60, np.uint8)
    picture[::7, ::5] = 90
    left = 20 + int(12 * time)
    picture[30:60, left : left + 30] = (230, 60, 40)
    return picture


def square_at(frame: int, *, fps: float = 5.0) -> Mask:
    """Return where it is in an annotation frame."""
    mask = np.zeros((96, 128), bool)
    left = 20 + int(12 * frame / fps + 1e-6)
    mask[30:60, left : left + 30] = True
    return mask


@pytest.fixture(scope="session")
def film() -> bytes:
    """Four seconds: a square that moves, a tone from second 1 to 3."""
    return Footage(seconds=4.0, size=(128, 96), paint=square, beep=(1.0, 3.0)).make()


class Annotator:
    """A key, and what can be done with it."""

    def __init__(self, client: httpx.AsyncClient, name: str) -> None:
        self.client = client
        self.name = name
        self._headers = {"Authorization": f"Bearer {name}-secret"}

    async def call(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401
        headers = {**self._headers, **more.pop("headers", {})}
        return await self.client.request(method, API + path, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> Any:  # noqa: ANN401
        return told(await self.call("GET", path, **more))

    async def post(self, path: str, body: object) -> Any:  # noqa: ANN401
        return told(await self.call("POST", path, json=body))

    async def project(self, name: str = "films", **more: object) -> str:
        made = await self.post("/projects", {"name": name, **more})
        return str(made["id"])

    async def send(self, project: str, film: bytes, name: str = "square.mp4") -> str:
        """Send a clip, and wait until it is ready."""
        sent = told(
            await self.call("POST", f"/projects/{project}/clips", files={"clip": (name, film)})
        )
        return await self.wait(str(sent["id"]))

    async def send_in_vain(self, project: str, film: bytes) -> tuple[str, Any]:
        """Send what cannot be prepared; return the clip, and what its problem is."""
        sent = told(await self.call("POST", f"/projects/{project}/clips", content=film))

        async def failed() -> bool:
            return bool((await self.get(f"/clips/{sent['id']}"))["state"] == "failed")

        await until(failed)
        return sent["id"], (await self.get(f"/clips/{sent['id']}"))["problem"]

    async def wait(self, clip: str) -> str:
        async def over() -> bool:
            found = await self.get(f"/clips/{clip}")
            assert found["state"] != "failed", found
            return bool(found["state"] == "ready")

        await until(over)
        return clip

    async def begin(self, clip: str, source: str | None = None) -> Any:  # noqa: ANN401
        return await self.post(f"/clips/{clip}/layers", {"from": source})

    async def edit(
        self, clip: str, revision: int, *edits: object, identity: str = ""
    ) -> httpx.Response:
        body = {"id": identity or f"e{revision}", "base_revision": revision, "edits": edits}
        return await self.call("PATCH", f"/clips/{clip}/layers/mine", json=body)

    async def layer(self, clip: str, name: str | None = None) -> Any:  # noqa: ANN401
        return await self.get(f"/clips/{clip}/layers/{name or self.name}")


def told(response: httpx.Response) -> Any:  # noqa: ANN401
    assert response.status_code < 300, response.text
    return response.json() if response.content else None


def put_track(identity: str, category: str = "dog", instance: int = 1) -> dict[str, object]:
    track = {"id": identity, "category": category, "instance": instance}
    return {"op": "put_track", "track": track}


def put_mask(track: str, frame: int, mask: Mask | None, **more: object) -> dict[str, object]:
    rle = None if mask is None else encode_rle(mask)
    return {"op": "put_mask", "track": track, "frame": frame, "mask": rle, **more}


def put_intervals(track: str, *spans: tuple[float, float, str | None]) -> dict[str, object]:
    intervals = [
        {"start": a, "end": b, "sentence": said, "inherited": False} for a, b, said in spans
    ]
    return {"op": "put_intervals", "track": track, "intervals": intervals}


def put_heard(category: str, start: float, end: float) -> dict[str, object]:
    spans = [{"start": start, "end": end}]
    return {"op": "put_heard", "heard": [{"category": category, "intervals": spans}]}


def mask_of(rle: dict[str, Any]) -> Mask:
    return decode_rle({"size": rle["size"], "counts": rle["counts"]})


@asynccontextmanager
async def studio_of(folder: Path, **more: object) -> AsyncIterator[Running]:
    async with run(studio_settings(folder, **more)) as started:
        yield started


@pytest.fixture
async def studio(tmp_path: Path, store_url: str) -> AsyncIterator[Running]:
    """A gateway with a studio, in SQLite and in PostgreSQL."""
    async with studio_of(tmp_path, jobs=store_url) as started:
        yield started


@pytest.fixture
async def lite(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway with a studio in SQLite."""
    async with studio_of(tmp_path) as started:
        yield started


@pytest.fixture
def alice(studio: Running) -> Annotator:
    return Annotator(studio.client, "alice")


@pytest.fixture
def bob(studio: Running) -> Annotator:
    return Annotator(studio.client, "bob")
