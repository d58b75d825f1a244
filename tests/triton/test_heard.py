"""A model that says what is heard: exported, compared, configured for Triton, and served."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from service.engines.embedded import OnnxEngine
from service.engines.triton import TritonEngine
from service.telemetry.metrics import Metrics
from service.triton_server.launcher import inference_server
from ssuformer.contract import SEGMENTATION, segmentation_engine
from ssuformer.manifest import Thresholds
from ssuformer.tokenizer import Tokenizer
from tests.service.conftest import run, small_settings
from tests.ssuformer.footage import Footage
from tests.ssuformer.model.small_model import clips, small_config, small_model
from tests.triton.small_repository import CATEGORIES, write_repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heard")
    _, differences = write_repository(folder, thresholds=Thresholds(heard=0.0), heard=True)
    assert any(d.output == f"{SEGMENTATION}.heard_probability" for d in differences)
    return folder / "repository"


def test_the_configuration_lists_the_output(repository: Path) -> None:
    text = (repository / SEGMENTATION / "config.pbtxt").read_text()

    last = text_format.Parse(text, ModelConfig()).output[-1]

    assert (last.name, list(last.dims)) == ("heard_probability", [-1, len(CATEGORIES)])


@pytest.mark.anyio
async def test_both_engines_answer_what_the_model_hears(repository: Path) -> None:
    model = small_model(heard=True, vocabulary=len(Tokenizer.learn([]).vocabulary)).eval()
    frames, waveform = clips(1, 3, size=224)
    with torch.no_grad():
        heard = model(frames, waveform).heard_probability[0].numpy()
    inputs = frames[0].numpy(), waveform[0].numpy()

    embedded = await OnnxEngine(repository, threads=1).segment(*inputs)
    with inference_server(repository) as server:
        settings = small_settings(
            engine="triton", triton_address=server.grpc, model_repository=repository
        )
        engine = TritonEngine(settings, Metrics())
        await engine.check(SEGMENTATION)
        over_triton = await engine.segment(*inputs)
        await engine.close()

    for found in (embedded, over_triton):
        assert found.heard_probability is not None
        np.testing.assert_allclose(found.heard_probability, heard, atol=1e-4)


@pytest.mark.anyio
async def test_the_service_says_what_the_model_hears(repository: Path) -> None:
    settings = small_settings(engine="onnx", model_repository=repository, engine_threads=1)

    async with run(settings) as running:
        answer = (await running.understand(Footage(seconds=2).make())).json()

    for frame in answer["frames"]:
        scores = [heard["score"] for heard in frame["heard"]]
        assert {heard["category"] for heard in frame["heard"]} == set(CATEGORIES)
        assert scores == sorted(scores, reverse=True)


def test_a_model_that_is_not_asked_has_the_outputs_of_before() -> None:
    model, size = small_model().eval(), small_config().dimensions

    with torch.no_grad():
        outputs = model(*clips(1, 1, size=224))

    assert outputs.heard_probability is None
    assert len(outputs.tensors()) == len(segmentation_engine(size).outputs)


def test_weights_fit_with_and_without_the_output() -> None:
    silent, hearing = small_model(), small_model(heard=True)

    hearing.load_state_dict(silent.state_dict())
