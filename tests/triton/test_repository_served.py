"""The real server on the committed repository: it computes what onnxruntime computes here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from model_export import server_config
from model_export.to_onnx import Arrays, example_inputs
from service.triton_server.launcher import InferenceServer
from ssuformer.contract import CAPTION, SEGMENTATION, EngineSpec, engines
from ssuformer.manifest import Manifest
from tests.triton.conftest import REPOSITORY

pytestmark = pytest.mark.anyio

MANIFEST = Manifest.read(REPOSITORY / SEGMENTATION / "1")
SPECS = {spec.name: spec for spec in engines(MANIFEST.dimensions)}
SIZES: list[tuple[str, dict[str, int]]] = [
    (SEGMENTATION, {"b": 1, "t": 1}),
    (SEGMENTATION, {"b": 1, "t": 5}),
    (SEGMENTATION, {"b": 3, "t": 2}),
    (CAPTION, {"n": 1}),
    (CAPTION, {"n": 7}),
    (CAPTION, {"n": 40}),
]


@pytest.fixture
async def client(triton: InferenceServer) -> AsyncIterator[InferenceServerClient]:
    async with InferenceServerClient(triton.grpc) as client:
        yield client


@pytest.fixture(scope="module")
def sessions() -> dict[str, onnxruntime.InferenceSession]:
    """Return both models in this process, with the threads that the configuration names."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = server_config.CPU.threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return {
        name: onnxruntime.InferenceSession(
            REPOSITORY / name / "1" / "model.onnx", options, providers=["CPUExecutionProvider"]
        )
        for name in SPECS
    }


async def ask(
    client: InferenceServerClient, name: str, inputs: Arrays, **options: object
) -> Arrays:
    """Return all outputs of a model for some inputs."""
    tensors = []
    for key, array in inputs.items():
        tensor = InferInput(key, array.shape, np_to_triton_dtype(array.dtype))
        tensor.set_data_from_numpy(array)
        tensors.append(tensor)
    answer = await client.infer(name, tensors, **options)
    return {output.name: answer.as_numpy(output.name) for output in SPECS[name].outputs}


def in_process(session: onnxruntime.InferenceSession, spec: EngineSpec, inputs: Arrays) -> Arrays:
    names = [output.name for output in spec.outputs]
    return dict(zip(names, session.run(names, inputs), strict=True))


def assert_same_bits(found: Arrays, wanted: Arrays) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name, strict=True)


def assert_same_answer(found: Arrays, wanted: Arrays) -> None:
    """Integers must be the same; floats up to their last bits, as the batch may be another.

    onnxruntime sums in another order where it has one row in place of many.
    """
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        assert (found[name].shape, found[name].dtype) == (array.shape, array.dtype), name
        if np.issubdtype(array.dtype, np.floating):
            got, expected = found[name].astype(np.float64), array.astype(np.float64)
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], array, err_msg=name)


async def counts(client: InferenceServerClient, name: str) -> tuple[int, int]:
    """Return how many of the batch axis a model has answered, and in how many runs."""
    statistics = await client.get_inference_statistics(name, as_json=True)
    (model,) = statistics["model_stats"]
    return int(model["inference_count"]), int(model["execution_count"])


@pytest.mark.parametrize("name", [SEGMENTATION, CAPTION])
async def test_the_committed_configuration_is_what_the_server_runs(
    triton: InferenceServer, name: str
) -> None:
    async with httpx.AsyncClient(base_url=triton.http) as http:
        config: dict[str, Any] = (await http.get(f"/v2/models/{name}/config")).json()

    digest = config["parameters"]["weights_sha256.1"]["string_value"]
    assert digest == MANIFEST.digests["model.safetensors"]
    assert config["platform"] == "onnxruntime_onnx"
    assert config["dynamic_batching"]["default_queue_policy"]["allow_timeout_override"]
    assert [t["name"] for t in config["input"]] == [t.name for t in SPECS[name].inputs]
    assert [t["name"] for t in config["output"]] == [t.name for t in SPECS[name].outputs]


@pytest.mark.parametrize(("name", "sizes"), SIZES)
async def test_the_server_answers_bit_for_bit_what_onnxruntime_answers_here(
    client: InferenceServerClient,
    sessions: dict[str, onnxruntime.InferenceSession],
    name: str,
    sizes: dict[str, int],
) -> None:
    inputs = example_inputs(SPECS[name], 1, **sizes)

    found = await ask(client, name, inputs)

    assert_same_bits(found, in_process(sessions[name], SPECS[name], inputs))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        (SEGMENTATION, [{"b": 1, "t": 1}] * 12),
        (CAPTION, [{"n": n} for n in (1, 2, 3, 5, 1, 2, 3, 5, 1, 2, 3, 5)]),
    ],
)
async def test_requests_at_once_run_as_few_batches_and_each_gets_its_own_answer(
    client: InferenceServerClient,
    sessions: dict[str, onnxruntime.InferenceSession],
    name: str,
    sizes: list[dict[str, int]],
) -> None:
    requests = [example_inputs(SPECS[name], seed, **size) for seed, size in enumerate(sizes)]
    answered, runs = await counts(client, name)

    found = await asyncio.gather(*(ask(client, name, inputs) for inputs in requests))

    for inputs, outputs in zip(requests, found, strict=True):
        assert_same_answer(outputs, in_process(sessions[name], SPECS[name], inputs))
    answered_after, runs_after = await counts(client, name)
    assert answered_after - answered == sum(size.get("b", size.get("n", 0)) for size in sizes)
    assert runs_after - runs < len(requests)


async def test_windows_of_different_lengths_wait_in_one_queue_and_are_all_answered(
    client: InferenceServerClient, sessions: dict[str, onnxruntime.InferenceSession]
) -> None:
    spec = SPECS[SEGMENTATION]
    requests = [example_inputs(spec, seed, b=1, t=t) for seed, t in enumerate((1, 2, 1, 3, 2, 1))]

    found = await asyncio.gather(*(ask(client, SEGMENTATION, inputs) for inputs in requests))

    for inputs, outputs in zip(requests, found, strict=True):
        assert_same_answer(outputs, in_process(sessions[SEGMENTATION], spec, inputs))


def misshapen(kind: str) -> Arrays:
    inputs = example_inputs(SPECS[SEGMENTATION], 0, b=1, t=2)
    match kind:
        case "width":
            inputs["frames"] = inputs["frames"][:, :, :, :-1]
        case "more sound than frames":
            inputs["waveform"] = inputs["waveform"].repeat(2, axis=1)[:, :3]
        case "no frames":
            inputs = {name: array[:, :0] for name, array in inputs.items()}
        case "batch":
            inputs = {name: array.repeat(9, axis=0) for name, array in inputs.items()}
        case "type":
            inputs["waveform"] = inputs["waveform"].astype(np.float64)
        case "input missing":
            del inputs["waveform"]
    return inputs


@pytest.mark.parametrize(
    "kind",
    ["width", "more sound than frames", "no frames", "batch", "type", "input missing"],
)
async def test_a_request_of_the_wrong_shape_fails_alone(
    client: InferenceServerClient,
    sessions: dict[str, onnxruntime.InferenceSession],
    kind: str,
) -> None:
    spec = SPECS[SEGMENTATION]
    good = [example_inputs(spec, seed, b=1, t=2) for seed in range(3)]

    bad, *found = await asyncio.gather(
        ask(client, SEGMENTATION, misshapen(kind)),
        *(ask(client, SEGMENTATION, inputs) for inputs in good),
        return_exceptions=True,
    )

    assert isinstance(bad, InferenceServerException)
    assert "INVALID_ARGUMENT" in bad.status()
    for inputs, outputs in zip(good, found, strict=True):
        assert isinstance(outputs, dict), outputs
        assert_same_answer(outputs, in_process(sessions[SEGMENTATION], spec, inputs))


async def test_a_request_that_may_not_wait_is_refused_while_the_server_is_busy(
    client: InferenceServerClient,
) -> None:
    busy = example_inputs(SPECS[SEGMENTATION], 0, b=1, t=5)
    impatient = example_inputs(SPECS[SEGMENTATION], 1, b=1, t=1)

    *answered, refused = await asyncio.gather(
        *(ask(client, SEGMENTATION, busy) for _ in range(3)),
        ask(client, SEGMENTATION, impatient, timeout=1),
        return_exceptions=True,
    )

    assert all(isinstance(answer, dict) for answer in answered)
    assert isinstance(refused, InferenceServerException)
    assert "UNAVAILABLE" in refused.status()


async def test_the_metrics_tell_runs_from_answers_for_each_model(
    triton: InferenceServer, client: InferenceServerClient
) -> None:
    for name, sizes in ((SEGMENTATION, {"b": 2, "t": 1}), (CAPTION, {"n": 5})):
        await ask(client, name, example_inputs(SPECS[name], 0, **sizes))

    async with httpx.AsyncClient() as http:
        lines = (await http.get(triton.metrics)).text.splitlines()

    for name in SPECS:
        answered, runs = (
            sum(
                float(line.split()[-1])
                for line in lines
                if line.startswith(f'{metric}{{model="{name}"')
            )
            for metric in ("nv_inference_count", "nv_inference_exec_count")
        )
        assert 0 < runs < answered
