"""Clients generated from the API's document, in two languages. `scripts/web-test` runs this.

Each sends a clip in its ways: as it is, in a form with options, without a key, and as a stream.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from service.app import create_app
from service.engines.fake import FakeEngine
from tests.service.conftest import small_settings
from tests.service.http.raw_client import service
from tests.ssuformer.footage import Footage, flash_in

PROGRAM = Path(__file__).with_name("client.ts")
PACKAGES = (*("@types/node@22", "openapi-fetch@0.17", "openapi-typescript@7.13", "typescript@5.9"),)
COMPILE = (
    *("tsc", "--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2022,dom"),
    *("--module", "nodenext", "--moduleResolution", "nodenext", "client.ts"),
)
NOT_SUPPORTED = "Unsupported content type video/*"
"""All that the generator has to say about the document; the other raw type is the same."""


@dataclass(frozen=True, slots=True)
class World:
    """A service that wants a key, its document, and a clip."""

    address: str
    document: Path
    clip: Path


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    keys, document, clip = folder / "keys", folder / "openapi.json", folder / "clip.mp4"
    keys.write_text("secret\n")
    settings = small_settings(keys_file=keys)
    document.write_text(json.dumps(create_app(settings).openapi()))
    clip.write_bytes(Footage(paint=flash_in(2), beep=(1.0, 3.0)).make())
    with service(FakeEngine(), keys_file=keys) as address:
        yield World(address, document, clip)


class PythonClient:
    """The generated package, by the names of its modules."""

    def __init__(self, address: str, *, key: str) -> None:
        self.client = self.module("client").AuthenticatedClient(base_url=address, token=key)

    def close(self) -> None:
        self.client.get_httpx_client().close()

    def module(self, name: str) -> ModuleType:
        return import_module(f"ssu_former_client.{name}")

    def ask(self, path: str, **more: object) -> Any:  # noqa: ANN401
        return self.module(f"api.{path}").sync(client=self.client, **more)

    def file(self, content: bytes) -> Any:  # noqa: ANN401
        return self.module("types").File(payload=io.BytesIO(content))

    def model(self, name: str, attribute: str) -> Any:  # noqa: ANN401
        return getattr(self.module(f"models.{name}"), attribute)


@pytest.fixture(scope="module")
def generated(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("generated")
    command = ["openapi-python-client", "generate", "--path", str(world.document)]
    done = subprocess.run(
        [*command, "--output-path", str(folder / "client")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    sys.path.insert(0, str(folder / "client"))
    yield done.stdout + done.stderr
    sys.path.remove(str(folder / "client"))


def test_the_generator_leaves_nothing_out_but_the_second_raw_type(generated: str) -> None:
    assert generated.count("WARNING") <= 1
    assert generated.replace(NOT_SUPPORTED, "").count("nsupported") == 0


@pytest.mark.usefixtures("generated")
def test_a_python_client_sends_a_clip_as_it_is_and_in_a_form(world: World) -> None:
    clip = world.clip.read_bytes()
    with closing(PythonClient(world.address, key="secret")) as client:
        form = client.model("options_form", "OptionsForm")
        png = client.model("mask_format", "MaskFormat").PNG

        raw = client.ask("understanding.understand", body=client.file(clip))
        sent = form(file=client.file(clip), captions=False, mask_format=png, fps=2.0)
        answer = client.ask("understanding.understand", body=sent)

    assert type(raw).__name__ == type(answer).__name__ == "Understanding"
    assert raw.tracks[0].sentences[0].text == "a bell is ringing."
    assert answer.sampled_fps == 2
    regions = [region for frame in answer.frames for region in frame.regions]
    assert {region.description for region in regions} == {None}
    assert {type(region.mask).__name__ for region in regions} == {"PngMask"}


@pytest.mark.usefixtures("generated")
def test_a_python_client_reads_problems_and_facts(world: World) -> None:
    with (
        closing(PythonClient(world.address, key="secret")) as client,
        closing(PythonClient(world.address, key="other")) as stranger,
    ):
        refused = stranger.ask("information.limits")
        empty = client.ask("understanding.understand", body=client.file(b""))
        wrong = client.ask("understanding.understand", body=client.file(b"x"), fps=99.0)
        limits, models = client.ask("information.limits"), client.ask("information.models")
        ready = client.ask("health.ready")

    assert (type(refused).__name__, refused.code) == ("Problem", "key_refused")
    assert (empty.status, empty.code) == (400, "clip_empty")
    assert [each.option for each in wrong.errors] == ["fps"]
    assert limits.formats
    assert models.models[0].categories
    assert ready.status == "ready"


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_a_typescript_client_compiles_and_does_the_same(world: World, tmp_path: Path) -> None:
    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    (tmp_path / "package.json").write_text('{"type": "module"}')
    shutil.copy(PROGRAM, tmp_path)
    run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *PACKAGES)
    run("npx", "--no-install", "openapi-typescript", str(world.document), "-o", "api.d.ts")
    run("npx", "--no-install", *COMPILE)
    told = json.loads(run("node", "client.js", world.address, str(world.clip)))

    assert told == {
        "refused": "key_refused",
        "wrong": ["fps"],
        "raw": "a bell is ringing.",
        "form": {"fps": 2, "descriptions": [None], "masks": ["png"]},
        "records": ["head", "window", "tail"],
        "frames": 4,
    }
