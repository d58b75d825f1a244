import asyncio
from pathlib import Path

import numpy as np
import pytest

from service.engines.engine import Engine
from service.engines.fake import FakeEngine
from ssuformer.contract import (
    FRAME_SIZE,
    SAMPLE_RATE,
    SEGMENTATION,
    EngineSpec,
    engines,
    segmentation_engine,
)
from ssuformer.errors import EngineMismatch, EngineUnavailable
from ssuformer.manifest import Manifest, digest
from tests.service.conftest import run, small_settings

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

pytestmark = pytest.mark.anyio
TYPES = {"uint8": onnx.TensorProto.UINT8, "float32": onnx.TensorProto.FLOAT,
         "int64": onnx.TensorProto.INT64}  # fmt: skip


def write_graph(spec: EngineSpec, path: Path, rename: str | None = None) -> None:
    """Write a graph with the spec's tensors; its outputs are zeros of the right shape."""
    helper = onnx.helper
    first, dynamic = spec.inputs[0], [a for a in spec.inputs[0].axes if isinstance(a, str)]
    nodes = [helper.make_node("Shape", [first.name], ["lead"], end=len(dynamic))]
    constants = []
    for out in spec.outputs:
        name = rename if rename and out is spec.outputs[0] else out.name
        rest = [axis for axis in out.axes if isinstance(axis, int)]
        constants.append(
            helper.make_tensor(f"{name}_rest", onnx.TensorProto.INT64, [len(rest)], rest)
        )
        zero = helper.make_tensor(f"{name}_zero", TYPES[out.dtype], [1], [0])
        shape = f"{name}_shape"
        nodes += [
            helper.make_node("Concat", ["lead", f"{name}_rest"], [shape], axis=0),
            helper.make_node("ConstantOfShape", [shape], [name], value=zero),
        ]
    inputs = [helper.make_tensor_value_info(t.name, TYPES[t.dtype], t.axes) for t in spec.inputs]
    outputs = [
        helper.make_tensor_value_info(
            rename if rename and i == 0 else t.name, TYPES[t.dtype], t.axes
        )
        for i, t in enumerate(spec.outputs)
    ]
    graph = helper.make_graph(nodes, spec.name, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True)
    onnx.save(model, path)


def write_repository(folder: Path, *, rename: str | None = None) -> Manifest:
    manifest = FakeEngine().facts.manifest
    for spec in engines(manifest.dimensions):
        file = folder / spec.name / "1" / "model.onnx"
        write_graph(spec, file, rename if spec.name == SEGMENTATION else None)
        digests = {"model.onnx": digest(file)}
        manifest.model_copy(update={"digests": digests}).write(file.parent)
    return manifest


def load(folder: Path, *, threads: int = 1, crowded: bool = False) -> Engine:
    from service.engines.embedded import OnnxEngine

    return OnnxEngine(folder, threads=threads, crowded=lambda: crowded)


async def test_the_embedded_engine_answers_in_the_shapes_of_the_contract(tmp_path: Path) -> None:
    size = write_repository(tmp_path).dimensions
    engine = load(tmp_path)

    window = await engine.segment(
        np.zeros((3, FRAME_SIZE, FRAME_SIZE, 3), np.uint8), np.zeros((3, SAMPLE_RATE), np.float32)
    )
    captions = await engine.caption(
        window.region_tokens[0], window.scene_prompt[[0] * 4], window.source_prompt[[0] * 4]
    )

    for out in segmentation_engine(size).outputs:
        assert getattr(window, out.name).shape == out.shape(b=1, t=3)[1:]
    assert captions.token_ids.shape == (4, size.caption_tokens)
    assert engine.facts.device == "cpu"


async def test_a_window_has_the_same_answer_alone_and_beside_others() -> None:
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (3, FRAME_SIZE, FRAME_SIZE, 3)).astype(np.uint8)
    waveform = generator.normal(0, 0.1, (3, SAMPLE_RATE)).astype(np.float32)
    alone = load(Path("triton_repo"), threads=2)
    beside = load(Path("triton_repo"), threads=2, crowded=True)

    expected = await alone.segment(frames, waveform)
    found = await asyncio.gather(*(beside.segment(frames, waveform) for _ in range(3)))

    for name in (out.name for out in segmentation_engine(alone.facts.manifest.dimensions).outputs):
        for window in found:
            np.testing.assert_allclose(
                getattr(window, name), getattr(expected, name), rtol=1e-3, atol=1e-4
            )


async def test_a_cancelled_window_gives_its_place_to_the_next() -> None:
    engine = load(Path("triton_repo"), threads=1, crowded=True)
    frames = np.zeros((10, FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
    waveform = np.zeros((10, SAMPLE_RATE), np.float32)

    first = asyncio.create_task(engine.segment(frames, waveform))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    answer = await engine.segment(frames, waveform)

    assert first.cancelled()
    assert len(answer.sounding_probability) == 10


async def test_no_model_is_unavailable_and_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=SEGMENTATION):
        load(tmp_path)


async def test_a_graph_with_another_output_is_a_mismatch(tmp_path: Path) -> None:
    write_repository(tmp_path, rename="logits")

    with pytest.raises(EngineMismatch, match="logits"):
        load(tmp_path)


async def test_the_embedded_engine_serves_the_whole_way(tmp_path: Path, clip: bytes) -> None:
    write_repository(tmp_path)
    settings = small_settings(engine="onnx", model_repository=tmp_path, engine_threads=1)

    async with run(settings) as running:
        responses = await asyncio.gather(*(running.understand(clip) for _ in range(3)))

    assert [response.status_code for response in responses] == [200] * 3
    assert all(frame["regions"] == [] for frame in responses[0].json()["frames"])
