"""Convert a float32 graph to float16 or bfloat16, with every type written in the graph.

TensorRT 11 follows the types in the graph and has no precision flags, so the file defines the
precision. Sums, divisions and comparisons stay float32, and so does the audio up to the first
logarithm: mel energies exceed the largest float16. onnxruntime's own converter puts the casts of a
loop's body into the surrounding graph, which breaks the caption engine.
"""

from __future__ import annotations

from collections.abc import Iterable

import ml_dtypes
import onnx_ir as ir
from onnx_ir.traversal import RecursiveGraphIterator

from ssuformer.errors import ConfigError

FULL_OPERATORS = frozenset({
    "ArgMax", "Cast", "Clip", "Constant", "ConstantOfShape", "Div", "LayerNormalization", "Log",
    "LogSoftmax", "Pow", "Range", "ReduceMax", "ReduceMean", "ReduceSum", "Resize", "Sigmoid",
    "Softmax", "Sqrt", "Sub", "TopK",
})  # fmt: skip
"""Operators that stay float32: they sum, divide, compare, or convert other types to floats."""

_FULL = ir.DataType.FLOAT
_BFLOAT16_OPSET = 22
"""The first opset in which every operator supports bfloat16."""


def to_float16(model: ir.Model, half: ir.DataType = ir.DataType.FLOAT16) -> None:
    """Rewrite `model` in place: float16, or bfloat16, between its float32 inputs and outputs."""
    graph = model.graph
    if half == ir.DataType.BFLOAT16:
        model.opset_imports[""] = max(model.opset_imports[""], _BFLOAT16_OPSET)
    nodes = list(RecursiveGraphIterator(graph))
    _check_typed(nodes)
    front = set(front_end(graph))
    full = {node for node in nodes if node.op_type in FULL_OPERATORS or node in front}
    bodies = [body for node in nodes for body in _bodies(node)]
    made_half = [value for node in nodes if node not in full for value in node.outputs]
    for value in (*made_half, *(value for body in bodies for value in body.inputs)):
        if value.dtype == _FULL:
            value.dtype = half
    casts = _Casts(graph, half)
    for node in nodes:
        casts.fit_inputs(node, _FULL if node in full else half)
    for body in bodies:
        casts.fit_outputs(body, half)
    casts.fit_outputs(graph, _FULL)
    for name in [name for name, weight in graph.initializers.items() if not weight.uses()]:
        graph.initializers.pop(name)


def round_as_bfloat16(model: ir.Model) -> None:
    """Rewrite a bfloat16 `model` in place: float32, rounded wherever bfloat16 would round.

    onnxruntime has no bfloat16 kernels on a CPU; this emulates them.
    """
    half = ir.DataType.BFLOAT16
    for weight in model.graph.initializers.values():
        if weight.dtype == half and weight.const_value is not None:
            widened = weight.const_value.numpy().astype("float32")
            weight.const_value = ir.tensor(widened, name=weight.name)
            weight.dtype = _FULL
    for node in list(RecursiveGraphIterator(model.graph)):
        for body in _bodies(node):
            for value in body.inputs:
                if value.dtype == half:
                    value.dtype = _FULL
        for value in [value for value in node.outputs if value.dtype == half]:
            _round(node, value, half)


def _round(node: ir.Node, value: ir.Value, half: ir.DataType) -> None:
    """Make all users of `node`'s outputs read them rounded to `half`, as float32."""
    used = value.uses()
    last = node
    if node.op_type != "Cast":
        value.dtype = _FULL
        last = _cast(value, half, f"{value.name}_rounded")
        node.append(last)
    widened = _cast(last.outputs[0], _FULL, f"{value.name}_widened")
    last.append(widened)
    for user, index in used:
        user.replace_input_with(index, widened.outputs[0])
    outputs = node.graph.outputs if node.graph is not None else []
    for index, output in enumerate(outputs):
        if output is value:
            outputs[index] = widened.outputs[0]


def front_end(graph: ir.Graph, source: str = "waveform") -> list[ir.Node]:
    """Return the nodes between the input `source` and the first logarithm: the mel spectrogram."""
    reached = {value for value in graph.inputs if value.name == source}
    passed = []
    for node in graph:
        if any(value in reached for value in node.inputs):
            passed.append(node)
            if node.op_type != "Log":
                reached.update(value for value in node.outputs if value.dtype == _FULL)
    return passed


def _check_typed(nodes: Iterable[ir.Node]) -> None:
    for node in nodes:
        for value in node.outputs:
            if value.name and value.dtype is None:
                raise ConfigError(f"the type of {value.name} ({node.op_type}) is not in the graph")


def _bodies(node: ir.Node) -> list[ir.Graph]:
    return [
        attribute.as_graph()
        for attribute in node.attributes.values()
        if attribute.type == ir.AttributeType.GRAPH
    ]


class _Casts:
    """Inserts a cast, or a converted weight, wherever a value does not have the required type."""

    def __init__(self, graph: ir.Graph, half: ir.DataType) -> None:
        self._half = half
        self._weights = graph.initializers
        self._halves: dict[ir.Value, ir.Value] = {}
        self._casts: dict[tuple[ir.Value, object], ir.Value] = {}

    def fit_inputs(self, node: ir.Node, wanted: ir.DataType) -> None:
        for index, value in enumerate(node.inputs):
            if value is None or not self._differs(value, wanted):
                continue
            fitting = (
                self._half_weight(value)
                if value.is_initializer()
                else self._cast_before(node, value, wanted)
            )
            node.replace_input_with(index, fitting)

    def fit_outputs(self, graph: ir.Graph, wanted: ir.DataType) -> None:
        for index, value in enumerate(graph.outputs):
            if self._differs(value, wanted):
                name, value.name = value.name, f"{value.name}_before_cast"
                cast = _cast(value, wanted, name)
                graph.append(cast)
                graph.outputs[index] = cast.outputs[0]

    def _half_weight(self, weight: ir.Value) -> ir.Value:
        if weight not in self._halves and weight.const_value is not None:
            exact = weight.const_value.numpy()
            kind = self._half.numpy()
            largest = float(ml_dtypes.finfo(kind).max)  # type: ignore[no-untyped-call]
            rounded = exact.clip(-largest, largest).astype(kind)
            half = ir.val(f"{weight.name}_half", const_value=ir.tensor(rounded))
            self._weights.add(half)
            self._halves[weight] = half
        return self._halves[weight]

    def _cast_before(self, node: ir.Node, value: ir.Value, wanted: ir.DataType) -> ir.Value:
        """Return `value` as `wanted`; one cast is shared by all later nodes of the same graph."""
        key = (value, node.graph)
        if key not in self._casts and node.graph is not None:
            number = sum(other is value for other, _ in self._casts)
            cast = _cast(value, wanted, f"{value.name}_cast{number or ''}")
            node.graph.insert_before(node, cast)
            self._casts[key] = cast.outputs[0]
        return self._casts[key]

    def _differs(self, value: ir.Value, wanted: ir.DataType) -> bool:
        return value.dtype in (_FULL, self._half) and value.dtype != wanted


def _cast(value: ir.Value, wanted: ir.DataType, name: str | None) -> ir.Node:
    output = ir.val(name, dtype=wanted, shape=value.shape)
    return ir.node("Cast", [value], {"to": wanted}, outputs=[output], name=f"{name}_node")
