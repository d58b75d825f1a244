"""New weights on a real server that watches its repository: no request notices."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from model_export import server_config
from service.triton_server.launcher import inference_server
from ssuformer import repository
from ssuformer.contract import SEGMENTATION, engines
from ssuformer.manifest import Manifest
from tests.service.conftest import Running, run, small_settings
from tests.triton.conftest import REPOSITORY

pytestmark = pytest.mark.anyio
SAMPLE = Path("samples/lifescene-silence.mp4")
WAIT = 180.0


def copy_repository(folder: Path) -> Path:
    return shutil.copytree(REPOSITORY, folder / "models")


def add_version(
    models: Path, number: int, *, digest: str | None = None, stated: str | None = None
) -> None:
    """Publish the weights of version 1 once more, as an export of other weights would be.

    `stated` is what the server's configuration says of their digest, from the beginning.
    """
    manifest = Manifest.read(models / SEGMENTATION / "1")
    specs = engines(manifest.dimensions)
    with server_config.staging(models, specs, number) as folders:
        for spec, staged in folders.items():
            source = models / spec.name / "1"
            shutil.copy(source / repository.MODEL, staged)
            changes: dict[str, object] = {"version": f"test-{number}"}
            label = Manifest.read(source)
            if digest is not None:
                changes["digests"] = label.digests | {repository.WEIGHTS: digest}
            label = label.model_copy(update=changes)
            label.write(staged)
            if stated is not None:
                labels = repository.read_manifests(models, spec.name) | {number: label}
                server_config.write_configs(models, spec, labels)
                for config in server_config.config_paths(models, spec):
                    config.write_text(config.read_text().replace(str(digest), stated))
        if stated is None:
            server_config.publish(models, specs, number)
        else:
            for spec, staged in folders.items():
                staged.rename(models / spec.name / str(number))


@dataclass
class Traffic:
    """Two clients that post a clip again and again, and whose weights answered them."""

    running: Running
    clip: bytes
    answers: list[httpx.Response] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status_code for answer in self.answers)

    @property
    def versions(self) -> list[str]:
        return [answer.json()["model"]["version"] for answer in self.answers]

    async def post_for_ever(self) -> None:
        while True:
            self.answers.append(await self.running.understand(self.clip))


@asynccontextmanager
async def under_traffic(models: Path, address: str) -> AsyncIterator[Traffic]:
    settings = small_settings(
        engine="triton",
        model_repository=models,
        triton_address=address,
        rollout_seconds=0.5,
        probe_seconds=1,
        workers=2,
    )
    async with run(settings) as running:
        traffic = Traffic(running, SAMPLE.read_bytes())
        clients = [asyncio.create_task(traffic.post_for_ever()) for _ in range(2)]
        try:
            yield traffic
        finally:
            for client in clients:
                client.cancel()
            await asyncio.gather(*clients, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not holds():
            await asyncio.sleep(0.05)


async def test_new_weights_go_live_and_back_without_a_failed_request(tmp_path: Path) -> None:
    models = copy_repository(tmp_path)
    with inference_server(models, mode="poll") as server:
        async with under_traffic(models, server.grpc) as traffic:
            await until(lambda: len(traffic.answers) >= 5)
            first = traffic.versions[0]
            add_version(models, 2)
            await until(lambda: traffic.versions[-1] == "test-2")
            # Back is forward: what version 1 was, under the next number.
            add_version(models, 3)
            await until(lambda: traffic.versions[-1] == "test-3")
            await until(lambda: traffic.versions.count("test-3") >= 5)

    assert traffic.statuses.keys() == {200}
    assert list(dict.fromkeys(traffic.versions)) == [first, "test-2", "test-3"]


async def test_weights_other_than_the_manifest_says_are_refused_and_no_request_fails(
    tmp_path: Path,
) -> None:
    models = copy_repository(tmp_path)
    with inference_server(models, mode="poll") as server:
        async with under_traffic(models, server.grpc) as traffic:
            await until(lambda: len(traffic.answers) >= 2)
            add_version(models, 2, digest="f" * 64, stated="e" * 64)
            refused = "ssu_model_rollouts_total"
            await until(lambda: traffic.running.metric(refused, result="refused") == 1)
            await until(lambda: len(traffic.answers) >= 10)

    assert traffic.statuses.keys() == {200}
    assert "test-2" not in traffic.versions
