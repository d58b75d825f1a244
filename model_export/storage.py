"""Weights of an engine stored in float16 wherever that loses nothing; it computes in float32.

A checkpoint holds its large weights in float16 (`ssuformer/model/checkpoint.py`), so the graph's
are float16 numbers, too: they are stored as such, with a cast to float32 in the graph. The exporter
multiplies a convolution's weights by the scales of the batch norm after it; they are stored as the
checkpoint's float16 weights and a float32 scale per output channel. onnxruntime computes all of
this once, when it loads the file.

    <name>_half  float16 -> Cast -> <name>_wide [-> Mul with <name>_scale] -> <name>  float32
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

LEAST_VALUES = 1024
"""Smaller weights are left alone: the nodes would take as much room as they save."""

_ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Largest relative difference between a stored product and the exporter's."""

_Array = npt.NDArray[np.generic]


def store_as_float16(graph: onnx.GraphProto, weights: Mapping[str, _Array]) -> None:
    """Store a graph's float32 weights in float16 where the graph computes the same with them.

    `weights` are the model's, by the names they have in the graph, before anything was multiplied
    into them.
    """
    kept: list[onnx.TensorProto] = []
    restoring: list[onnx.NodeProto] = []
    for tensor in graph.initializer:
        parts = None
        if tensor.data_type == onnx.TensorProto.FLOAT:
            exact = numpy_helper.to_array(tensor)
            parts = _parts(exact, weights.get(tensor.name)) if exact.size >= LEAST_VALUES else None
        if parts is None:
            kept.append(tensor)
        else:
            kept += _tensors(tensor.name, *parts)
            restoring += _restoring(tensor.name, scaled=parts[1] is not None)
    nodes = [*restoring, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)


def load_float32(path: Path) -> onnx.ModelProto:
    """Load an ONNX file with the weights that are stored in float16 as float32 again."""
    model = onnx.load(path)
    graph = model.graph
    there = {tensor.name: tensor for tensor in graph.initializer}
    restored: dict[str, _Array] = {}
    nodes = []
    for node in graph.node:
        value = _constant(node, there, restored)
        if value is None:
            nodes.append(node)
        else:
            restored[node.output[0]] = value
    used = set(_used_names(nodes)) | {output.name for output in graph.output}
    new = [numpy_helper.from_array(value, name) for name, value in restored.items() if name in used]
    old = [tensor for tensor in there.values() if tensor.name in used]
    # A weight tells its own type. onnxruntime's dynamic quantisation transposes the weights of a
    # Gemm, and fails if their old shape is told elsewhere.
    typed = [value for value in graph.value_info if value.name not in there.keys() | restored]
    del graph.initializer[:], graph.node[:], graph.value_info[:]
    graph.initializer.extend([*old, *new])
    graph.node.extend(nodes)
    graph.value_info.extend(typed)
    return model


def _parts(exact: _Array, weight: _Array | None) -> tuple[_Array, _Array | None] | None:
    """Return the float16 numbers, and scales if there are any, whose product is `exact`."""
    half = _as_half(exact)
    if half is not None:
        return half, None
    half = None if weight is None or weight.shape != exact.shape else _as_half(weight)
    if half is None or exact.ndim < 2:
        return None
    wide = half.astype(np.float32)
    rows, wanted = wide.reshape(len(wide), -1), exact.reshape(len(exact), -1)
    largest = np.abs(rows).argmax(axis=1)[:, None]
    divisor = np.take_along_axis(rows, largest, axis=1)
    scale = np.ones_like(divisor)
    np.divide(np.take_along_axis(wanted, largest, axis=1), divisor, out=scale, where=divisor != 0)
    if not np.allclose(rows * scale, wanted, rtol=_ROUNDING, atol=0.0):
        return None
    return half, scale.reshape(-1, *[1] * (exact.ndim - 1))


def _as_half(exact: _Array) -> _Array | None:
    """Return the same numbers in float16, None if it cannot hold one of them."""
    with np.errstate(over="ignore"):
        half = exact.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), exact) else None


def _tensors(name: str, half: _Array, scale: _Array | None) -> Iterator[onnx.TensorProto]:
    yield numpy_helper.from_array(half, f"{name}_half")
    if scale is not None:
        yield numpy_helper.from_array(scale, f"{name}_scale")


def _restoring(name: str, *, scaled: bool) -> Iterator[onnx.NodeProto]:
    """Yield the nodes that compute a weight under its own name from what is stored."""
    wide = f"{name}_wide" if scaled else name
    yield onnx.helper.make_node(
        "Cast", [f"{name}_half"], [wide], name=f"{name}_cast", to=onnx.TensorProto.FLOAT
    )
    if scaled:
        yield onnx.helper.make_node("Mul", [wide, f"{name}_scale"], [name], name=f"{name}_mul")


def _constant(
    node: onnx.NodeProto, there: Mapping[str, onnx.TensorProto], restored: Mapping[str, _Array]
) -> _Array | None:
    """Return the output of a node that `_restoring` made, None for any other."""
    first, *others = node.input or [""]
    if node.op_type == "Cast" and first in there:
        wide = node.attribute[0].i == onnx.TensorProto.FLOAT
        if wide and there[first].data_type == onnx.TensorProto.FLOAT16:
            return numpy_helper.to_array(there[first]).astype(np.float32)
    if node.op_type == "Mul" and first in restored and others[0] in there:
        return restored[first] * numpy_helper.to_array(there[others[0]])
    return None


def _used_names(nodes: list[onnx.NodeProto]) -> Iterator[str]:
    """Yield what nodes read, inside loops too."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _used_names(list(attribute.g.node))
                yield from (output.name for output in attribute.g.output)
