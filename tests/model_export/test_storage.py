"""Weights stored in float16 come back as they were, and answers do not change by a bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from model_export import parity, to_onnx
from model_export.compilation import Compilation, CompilationOptions, Range, load, profile_of
from model_export.storage import LEAST_VALUES, load_float32, store_as_float16
from ssuformer.contract import EngineSpec, TensorSpec
from ssuformer.model.checkpoint import stored

Array = npt.NDArray[Any]


class Convolutions(nn.Module):
    """Two convolutions with batch norm, the second one depthwise, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Sequential(nn.Conv2d(16, 64, 3, bias=False), nn.BatchNorm2d(64))
        self.deep = nn.Sequential(nn.Conv2d(64, 64, 3, groups=64), nn.BatchNorm2d(64), nn.ReLU())
        self.linear = nn.Linear(64, 64)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (self.linear(self.deep(self.wide(x)).mean(dim=(2, 3))),)


SPEC = EngineSpec(
    "small",
    inputs=(TensorSpec("x", "float32", ("b", 16, 8, 8)),),
    outputs=(TensorSpec("y", "float32", ("b", 64)),),
)


def trained() -> Convolutions:
    """Return a model as it is loaded from a checkpoint, its running statistics not trivial."""
    torch.manual_seed(0)
    model = Convolutions()
    for tensor in (t for name, t in model.state_dict().items() if t.ndim == 1):
        tensor.uniform_(0.5, 2.0)
    model.load_state_dict({name: stored(tensor) for name, tensor in model.state_dict().items()})
    return model.eval()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("engine") / "model.onnx"
    to_onnx.export(trained(), SPEC, path, b=2)
    return path


def weights_of(model: onnx.ModelProto) -> dict[str, Array]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def test_an_exported_engine_has_large_weights_in_float16_below_a_batch_norm_too(
    engine: Path,
) -> None:
    weights = weights_of(onnx.load(engine))

    half = {name for name, weight in weights.items() if weight.dtype == np.float16}
    large = {name for name, weight in weights.items() if weight.size >= LEAST_VALUES}
    assert half == large == {"wide.0.weight_half", "linear.weight_half"}
    assert weights["wide.0.weight_scale"].shape == (64, 1, 1, 1)


def test_an_exported_engine_computes_what_the_stored_checkpoint_computes(engine: Path) -> None:
    (difference,) = parity.compare(trained(), SPEC, engine, [{"b": 3}])

    assert difference.largest < 1e-5


def test_an_engine_answers_the_same_bits_however_its_weights_are_stored(
    engine: Path, tmp_path: Path
) -> None:
    onnx.save(load_float32(engine), tmp_path / "wide.onnx")
    inputs = to_onnx.example_inputs(SPEC, 1, b=2)

    half, wide = (
        parity.in_onnxruntime(path, SPEC)(inputs) for path in (engine, tmp_path / "wide.onnx")
    )

    assert np.array_equal(half[0], wide[0])


def test_onnxruntime_computes_the_weights_once_when_it_loads_the_engine(
    engine: Path, tmp_path: Path
) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(engine, options, providers=["CPUExecutionProvider"])

    optimised = onnx.load(tmp_path / "optimised.onnx")

    assert not {"Cast", "Mul"} & {node.op_type for node in optimised.graph.node}


def test_tensorrt_compiles_an_engine_with_stored_weights(engine: Path) -> None:
    compilation = Compilation(load("tensorrt_rtx"), engine, SPEC)

    plan = compilation.build(
        profile_of(SPEC, {"b": Range(1, 2, 4)}), CompilationOptions(), target="SM89"
    )

    assert len(plan) > engine.stat().st_size


def graph_of(weight: Array) -> onnx.ModelProto:
    """Return a product with a weight."""
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size])
        for name, size in zip("xy", weight.shape, strict=True)
    )
    node = helper.make_node("MatMul", ["x", "weight"], ["y"])
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weight, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def weight(*, rows: int = 64) -> Array:
    return np.random.default_rng(0).normal(size=(rows, 32)).astype(np.float16).astype(np.float32)


def test_a_weight_that_float16_holds_comes_back_as_it_was(tmp_path: Path) -> None:
    model = graph_of(weight())
    before = model.SerializeToString()

    store_as_float16(model.graph, {})
    onnx.save(model, tmp_path / "half.onnx")

    assert (tmp_path / "half.onnx").stat().st_size < 0.6 * len(before)
    assert load_float32(tmp_path / "half.onnx").SerializeToString() == before


@pytest.mark.parametrize(
    ("exact", "reason"),
    [
        (weight() * np.float32(1.001), "its numbers need float32"),
        (weight() * np.float32(1e6), "it overflows"),
        (weight(rows=2), "it is small"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_weight_that_float16_does_not_serve_is_left_alone(exact: Array, reason: str) -> None:
    model = graph_of(exact)
    before = model.SerializeToString()

    store_as_float16(model.graph, {"weight": weight()[:, ::-1].copy()})

    assert model.SerializeToString() == before, reason


def test_a_channel_of_zeros_is_stored_with_the_others() -> None:
    plain = weight()
    plain[3] = 0.0
    scales = np.linspace(0.9, 1.1, len(plain), dtype=np.float32)[:, None]
    model = graph_of(plain * scales)

    store_as_float16(model.graph, {"weight": plain})

    parts = weights_of(model)
    assert parts["weight_half"].dtype == np.float16
    product = parts["weight_half"].astype(np.float32) * parts["weight_scale"]
    np.testing.assert_allclose(product, plain * scales, rtol=1e-6)
