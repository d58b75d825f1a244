"""Engines in float8 (E4M3): the int8 engine with float8 in its Q/DQ pairs.

The quantised tensors and their ranges are those of int8, from `model_export.quantized`; only
the type changes. float8 is most precise near zero, where most activations are. onnxruntime's
own float8 quantisation scales by distributions and writes NaN weights.
"""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from ssuformer.errors import ConfigError

_INT8_LARGEST = 127.0
_LARGEST = 448.0


def quantize_to_float8(int8: Path, exact: Path, target: Path) -> None:
    """Write the float8 engine from an int8 engine and the float32 one it was made from."""
    model = ir.load(int8)
    to_float8(model.graph, ir.load(exact).graph)
    ir.save(model, target)


def to_float8(graph: ir.Graph, exact: ir.Graph) -> None:
    """Rewrite `graph`, quantised to int8 from `exact`, in place: float8 with the same ranges."""
    pairs = [node for node in graph if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    scales = {node.inputs[1] for node in pairs}
    zeros = {node.inputs[2] for node in pairs}
    for scale in scales:
        _set(scale, _numbers(scale) * np.float32(_INT8_LARGEST / _LARGEST))
    for zero in zeros:
        _set(zero, _narrow(np.zeros_like(_numbers(zero), np.float32)))
    for node in pairs:
        value, scale = node.inputs[:2]
        if node.op_type == "QuantizeLinear":
            node.outputs[0].dtype = ir.DataType.FLOAT8E4M3FN
        elif value is not None and value.is_initializer():
            source = exact.initializers[(value.name or "").removesuffix("_quantized")]
            weights, step = _numbers(source), _numbers(scale)
            if step.ndim:
                shape = [1] * weights.ndim
                shape[node.attributes["axis"].as_int()] = -1
                step = step.reshape(shape)
            _set(value, _narrow(weights / step))


def _narrow(numbers: npt.NDArray[np.float32]) -> npt.NDArray[np.generic]:
    """Return float8, saturated: a plain cast would turn values out of range into NaN."""
    return numbers.clip(-_LARGEST, _LARGEST).astype(ml_dtypes.float8_e4m3fn)


def _numbers(value: ir.Value | None) -> npt.NDArray[np.float32]:
    if value is None or value.const_value is None:
        raise ConfigError("a quantised engine has a scale that is not a constant")
    return value.const_value.numpy()


def _set(value: ir.Value | None, numbers: npt.NDArray[np.generic]) -> None:
    if value is not None:
        value.const_value = ir.tensor(numbers, name=value.name)
        value.dtype = value.const_value.dtype
