import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.cli.diagnosis import examine
from service.engines.embedded import OnnxEngine
from service.engines.triton import TritonEngine
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.triton_server.launcher import InferenceServer
from ssuformer import masks
from ssuformer.contract import (
    CAPTION,
    FRAME_SIZE,
    SAMPLE_RATE,
    SEGMENTATION,
    caption_engine,
    segmentation_engine,
)
from ssuformer.errors import EngineMismatch, EngineUnavailable
from ssuformer.manifest import Manifest
from tests.service.conftest import Running, run, small_settings
from tests.ssuformer.footage import Footage, flash_in
from tests.triton.conftest import REPOSITORY

pytestmark = pytest.mark.anyio

SAMPLES = sorted(path for path in Path("samples").iterdir() if path.suffix in (".mp4", ".webm"))
FOOTAGE = {
    "beep": Footage(paint=flash_in(2), beep=(1.0, 3.0)),
    "rotated": Footage(size=(80, 50), rotation=90, beep=(0.0, 4.0)),
    "silent": Footage(audio=None),
    "long": Footage(seconds=23.0, beep=(2.0, 20.0)),
}
LEAST_OVERLAP = 0.999


@pytest.fixture(scope="module")
def embedded() -> OnnxEngine:
    return OnnxEngine(REPOSITORY, threads=1)


@pytest.fixture(scope="module")
async def in_process(anyio_backend: str) -> AsyncIterator[Running]:  # noqa: ARG001
    async with run(small_settings(engine="onnx", engine_threads=1)) as running:
        yield running


@pytest.fixture(scope="module")
async def over_triton(
    anyio_backend: str,  # noqa: ARG001
    triton: InferenceServer,
) -> AsyncIterator[Running]:
    async with run(settings_for(triton)) as running:
        yield running


def settings_for(triton: InferenceServer, **more: object) -> Settings:
    return small_settings(engine="triton", triton_address=triton.grpc, **more)


@asynccontextmanager
async def engine_for(triton: InferenceServer, **more: object) -> AsyncIterator[TritonEngine]:
    engine = TritonEngine(settings_for(triton, **more), Metrics())
    try:
        yield engine
    finally:
        await engine.close()


def assert_same_answer(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Compare two answers: the same things at the same times in the same words and places."""
    assert one["model"] == other["model"]
    assert one["warnings"] == other["warnings"]
    assert one["tracks"] == other["tracks"]
    for frame, same in zip(one["frames"], other["frames"], strict=True):
        assert frame["time"] == same["time"]
        for region, counterpart in zip(frame["regions"], same["regions"], strict=True):
            for name in ("track", "category", "description"):
                assert region[name] == counterpart[name]
            first, second = (masks.decode_rle(each["mask"]) for each in (region, counterpart))
            assert masks.overlap(first, second) >= LEAST_OVERLAP


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
async def test_samples_get_the_same_answer_from_the_server_as_in_process(
    in_process: Running, over_triton: Running, sample: Path
) -> None:
    clip = sample.read_bytes()

    answers = [await running.understand(clip) for running in (in_process, over_triton)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert_same_answer(answers[0].json(), answers[1].json())


@pytest.mark.parametrize("kind", FOOTAGE)
async def test_any_clip_gets_the_same_answer_from_the_server_as_in_process(
    in_process: Running, over_triton: Running, kind: str
) -> None:
    clip = FOOTAGE[kind].make()

    answers = [await running.understand(clip) for running in (in_process, over_triton)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert_same_answer(answers[0].json(), answers[1].json())


def test_the_samples_have_something_to_compare() -> None:
    assert len(SAMPLES) == 6


async def test_the_gateway_is_ready_and_shows_what_the_server_runs(over_triton: Running) -> None:
    ready = await over_triton.client.get("/readyz")
    models = (await over_triton.client.get("/models")).json()["models"]

    assert ready.status_code == 200
    assert models[0]["device"] == "cpu"
    assert models[0]["name"] == Manifest.read(REPOSITORY / CAPTION / "1").name


@pytest.mark.parametrize("shared", [False, True], ids=["wire", "shared memory"])
async def test_every_output_equals_that_of_the_engine_in_process(
    triton: InferenceServer, embedded: OnnxEngine, *, shared: bool
) -> None:
    size, noise = embedded.facts.manifest.dimensions, np.random.default_rng(3)
    frames = noise.integers(0, 256, (10, FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
    waveform = noise.normal(0, 0.1, (10, SAMPLE_RATE)).astype(np.float32)
    regions = [
        noise.normal(size=tensor.shape(n=80)).astype(np.float32)
        for tensor in caption_engine(size).inputs
    ]

    async with engine_for(triton, triton_shared_memory=shared) as engine:
        window, captions = await engine.segment(frames, waveform), await engine.caption(*regions)
        window = await engine.segment(frames, waveform)

    expected_window = await embedded.segment(frames, waveform)
    expected_captions = await embedded.caption(*regions)
    for tensor in segmentation_engine(size).outputs:
        actual, expected = (getattr(w, tensor.name) for w in (window, expected_window))
        np.testing.assert_allclose(actual, expected, atol=1e-4)
    np.testing.assert_array_equal(captions.token_ids, expected_captions.token_ids)
    np.testing.assert_allclose(
        captions.log_probability, expected_captions.log_probability, atol=1e-4
    )


async def test_shared_memory_is_given_back(triton: InferenceServer) -> None:
    before = shared_regions()

    async with engine_for(triton, triton_shared_memory=True) as engine:
        size = engine.facts.manifest.dimensions
        inputs = [
            np.zeros(tensor.shape(b=1, t=1), tensor.dtype)
            for tensor in segmentation_engine(size).inputs
        ]
        await engine.segment(inputs[0][0], inputs[1][0])
        during = shared_regions()

    assert len(during - before) == 1
    assert shared_regions() == before


def shared_regions() -> set[Path]:
    return set(Path("/dev/shm").glob(f"ssu-{os.getpid()}-*"))


def copy_labels(folder: Path, **changes: object) -> Path:
    """Copy the manifests of the repository, without its models, with these changes."""
    for name in (SEGMENTATION, CAPTION):
        version = folder / name / "1"
        version.mkdir(parents=True)
        manifest = Manifest.read(REPOSITORY / name / "1")
        manifest.model_copy(update=changes).write(version)
    return folder


async def test_the_manifests_are_all_a_gateway_needs_on_its_side(
    triton: InferenceServer, tmp_path: Path
) -> None:
    labels = copy_labels(tmp_path)

    async with engine_for(triton, model_repository=labels) as engine:
        for model in (SEGMENTATION, CAPTION):
            await engine.check(model)


def test_doctor_says_that_the_server_has_the_models_of_the_manifests(
    triton: InferenceServer,
) -> None:
    checks = {check.name: check for check in examine(settings_for(triton), port=8000)}

    assert checks["triton"].verdict == "good"
    assert triton.grpc in checks["triton"].found


async def test_a_manifest_of_another_model_is_a_mismatch(
    triton: InferenceServer, tmp_path: Path
) -> None:
    size = Manifest.read(REPOSITORY / CAPTION / "1").dimensions
    labels = copy_labels(tmp_path, dimensions=size.model_copy(update={"queries": 3}))

    async with engine_for(triton, model_repository=labels) as engine:
        with pytest.raises(EngineMismatch):
            await engine.check(SEGMENTATION)


async def test_a_manifest_of_other_weights_is_a_mismatch(
    triton: InferenceServer, tmp_path: Path
) -> None:
    labels = copy_labels(tmp_path, digests={"model.safetensors": "0" * 64})

    async with engine_for(triton, model_repository=labels) as engine:
        with pytest.raises(EngineMismatch, match="weights"):
            await engine.check(CAPTION)


async def test_a_version_that_the_server_has_not_loaded_yet_is_awaited(
    triton: InferenceServer, tmp_path: Path
) -> None:
    labels = copy_labels(tmp_path)
    for name in (SEGMENTATION, CAPTION):
        shutil.move(labels / name / "1", labels / name / "2")

    async with engine_for(triton, model_repository=labels) as engine:
        with pytest.raises(EngineUnavailable, match="version 2"):
            await engine.check(SEGMENTATION)
