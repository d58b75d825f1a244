"""Whether an exported graph computes what the model computes. It compares, and it fails loudly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import nn

from model_export.to_onnx import Arrays, example_inputs
from ssuformer.contract import EngineSpec
from ssuformer.errors import ParityError

ABSOLUTE = 1e-3
RELATIVE = 1e-3
"""float32 sums in another order; measured differences are near 1e-5."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference of one output at one set of sizes."""

    output: str
    sizes: str
    largest: float
    allowed: float


def compare(
    graph: nn.Module, spec: EngineSpec, path: Path, sizes: Iterable[dict[str, int]]
) -> list[Difference]:
    """Return the differences of torch and onnxruntime for each of `sizes`.

    Raises ParityError naming the output when a float differs by more than
    `ABSOLUTE + RELATIVE * |expected|`, or an integer at all.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    differences = []
    for seed, size in enumerate(sizes):
        inputs = example_inputs(spec, seed + 1, **size)
        wanted = _in_torch(graph, inputs)
        found = session.run([tensor.name for tensor in spec.outputs], inputs)
        label = " ".join(f"{axis}={length}" for axis, length in size.items())
        for tensor, expected, got in zip(spec.outputs, wanted, found, strict=True):
            differences.append(_difference(f"{spec.name}.{tensor.name}", label, expected, got))
    return differences


def _in_torch(graph: nn.Module, inputs: Arrays) -> list[np.ndarray]:
    with torch.no_grad():
        outputs = graph(*(torch.from_numpy(array) for array in inputs.values()))
    return [output.numpy() for output in outputs]


def _difference(name: str, sizes: str, expected: np.ndarray, got: np.ndarray) -> Difference:
    if expected.shape != got.shape or expected.dtype != got.dtype:
        raise ParityError(
            f"{name} at {sizes}: {got.dtype}{got.shape}, not {expected.dtype}{expected.shape}"
        )
    largest = float(np.abs(expected.astype(np.float64) - got).max(initial=0.0))
    if not np.issubdtype(expected.dtype, np.floating):
        allowed = 0.0
        agrees = largest == 0.0
    else:
        allowed = ABSOLUTE + RELATIVE * float(np.abs(expected).max(initial=0.0))
        agrees = np.allclose(got, expected, rtol=RELATIVE, atol=ABSOLUTE)
    if not agrees:
        raise ParityError(
            f"{name} at {sizes} differs by {largest:.2e}", limit=allowed, actual=largest
        )
    return Difference(name, sizes, largest, allowed)
