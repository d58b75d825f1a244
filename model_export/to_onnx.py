"""Export engine graphs to ONNX files, with the names and dynamic axes of the contract."""

from __future__ import annotations

import hashlib
import logging
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import nn
from torch.export import Dim

from model_export.storage import store_as_float16
from ssuformer.contract import EngineSpec

OPSET = 20
GRAPH = "main_graph"

Arrays = dict[str, npt.NDArray[np.generic]]


def example_inputs(spec: EngineSpec, seed: int, **sizes: int) -> Arrays:
    """Return random inputs of an engine: bytes for uint8, a normal distribution for floats."""
    generator = np.random.default_rng(seed)
    return {
        tensor.name: generator.integers(0, 256, tensor.shape(**sizes), dtype=np.uint8)
        if tensor.dtype == "uint8"
        else generator.normal(0, 0.3, tensor.shape(**sizes)).astype(tensor.dtype)
        for tensor in spec.inputs
    }


def export(graph: nn.Module, spec: EngineSpec, path: Path, **sizes: int) -> None:
    """Write `graph` to `path` as one file; the traced `sizes` must each be at least 2."""
    inputs = example_inputs(spec, 0, **sizes)
    names = {tensor.name for tensor in spec.inputs}
    axes = {
        name: dict.fromkeys(dynamic, Dim.DYNAMIC)
        for name, dynamic in spec.dynamic_axes.items()
        if name in names
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            tuple(torch.from_numpy(array) for array in inputs.values()),
            path,
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=tuple(axes[tensor.name] for tensor in spec.inputs),
            input_names=[tensor.name for tensor in spec.inputs],
            output_names=[tensor.name for tensor in spec.outputs],
            external_data=False,
            verbose=False,
        )
    model = onnx.load(path)
    _forget_origin(model.graph)
    store_as_float16(model.graph, {name: w.numpy() for name, w in graph.state_dict().items()})
    save(model, path)


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write a model under a graph name unique to its weights: `main_graph_<sha-256>`.

    onnxruntime names cached TensorRT engines after the graph and the names in it, not
    after the weights: two versions with one cache would share an engine. Source: `TRTGenerateId`
    in onnxruntime, whose issue 6455 describes it.
    """
    model.graph.name = GRAPH
    content = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    model.graph.name = f"{GRAPH}_{content[:16]}"
    onnx.save(model, path)


def _forget_origin(graph: onnx.GraphProto) -> None:
    """Drop the stack traces the exporter attaches to nodes: many times a loop's weights."""
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _forget_origin(attribute.g)
