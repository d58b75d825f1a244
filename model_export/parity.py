"""Check that an engine computes the same as what it was made from; raise if not.

A graph is compared with the model element by element: only the summation order may differ. An
engine of lower precision is compared with the exact one on representative clips, by means: a few
region tokens near a threshold may flip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import nn

from model_export.to_onnx import Arrays, example_inputs
from ssuformer.contract import EngineSpec
from ssuformer.errors import EngineError, ParityError

ABSOLUTE = 1e-3
RELATIVE = 1e-3
"""float32 sums in another order; measured differences are near 1e-5."""

CPU = "CPUExecutionProvider"
"""The name of onnxruntime's provider that every machine has."""

RunEngine = Callable[[Arrays], Sequence[npt.NDArray[Any]]]
"""An engine as a function: inputs by name, outputs in the contract's order."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest difference of one output at one set of sizes."""

    output: str
    sizes: str
    largest: float
    allowed: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Allowed deviation of an engine from the exact one, over all clips together."""

    numbers: float
    """The mean difference over the mean magnitude of an output."""
    sentences: float
    """The share of sentences that may differ in any word."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """Deviation of one output of an engine from the exact one's, over all clips together."""

    output: str
    share: float
    allowed: float


def compare(
    graph: nn.Module, spec: EngineSpec, path: Path, sizes: Iterable[dict[str, int]]
) -> list[Difference]:
    """Return the differences of torch and onnxruntime for each of `sizes`.

    Raises ParityError naming the output when a float differs by more than
    `ABSOLUTE + RELATIVE * |expected|`, or an integer at all.
    """
    run = in_onnxruntime(path, spec)
    differences = []
    for seed, size in enumerate(sizes):
        inputs = example_inputs(spec, seed + 1, **size)
        wanted = _in_torch(graph, inputs)
        found = run(inputs)
        label = " ".join(f"{axis}={length}" for axis, length in size.items())
        for tensor, expected, got in zip(spec.outputs, wanted, found, strict=True):
            differences.append(_difference(f"{spec.name}.{tensor.name}", label, expected, got))
    return differences


def in_onnxruntime(
    path: Path, spec: EngineSpec, *, literal: bool = False, provider: str = CPU
) -> RunEngine:
    """Return an ONNX file as a function; `literal`: without graph optimisation.

    Raises EngineError if onnxruntime has no such provider, or falls back to another.
    """
    options = onnxruntime.SessionOptions()
    if literal:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if provider not in (available := onnxruntime.get_available_providers()):
        raise EngineError(f"onnxruntime has no {provider} here, only {', '.join(available)}")
    session = onnxruntime.InferenceSession(path, options, providers=[provider])
    if provider not in session.get_providers():
        raise EngineError(f"onnxruntime could not load {provider}; its log says why")
    names = [tensor.name for tensor in spec.outputs]
    return lambda inputs: session.run(names, inputs)


def deviations(
    spec: EngineSpec,
    exact: RunEngine,
    other: RunEngine,
    *,
    clips: Sequence[Arrays],
    allowed: Tolerance,
) -> list[Deviation]:
    """Return the deviations of `other` from `exact` on the same clips, output by output.

    Raises ParityError naming the output that deviates more than allowed, or has another shape.
    """
    differences = {tensor.name: 0.0 for tensor in spec.outputs}
    magnitudes = dict.fromkeys(differences, 0.0)
    for clip in clips:
        for tensor, wanted, got in zip(spec.outputs, exact(clip), other(clip), strict=True):
            _check_form(f"{spec.name}.{tensor.name}", wanted, got)
            differences[tensor.name] += _distance(wanted, got)
            magnitudes[tensor.name] += _magnitude(wanted)
    found = []
    for tensor in spec.outputs:
        limit = allowed.sentences if tensor.dtype == "int64" else allowed.numbers
        share = differences[tensor.name] / max(magnitudes[tensor.name], 1e-12)
        name = f"{spec.name}.{tensor.name}"
        if not share <= limit:  # NaN counts as too far, too
            raise ParityError(
                f"{name} deviates by {share:.2g} from the exact engine, the limit is {limit:.2g}",
                limit=limit,
                actual=share,
            )
        found.append(Deviation(name, share, limit))
    return found


def _distance(wanted: npt.NDArray[Any], got: npt.NDArray[Any]) -> float:
    if np.issubdtype(wanted.dtype, np.integer):
        return float((wanted != got).any(axis=-1).sum())
    return float(np.abs(wanted.astype(np.float64) - got).sum())


def _magnitude(wanted: npt.NDArray[Any]) -> float:
    if np.issubdtype(wanted.dtype, np.integer):
        return float(np.prod(wanted.shape[:-1]))
    return float(np.abs(wanted.astype(np.float64)).sum())


def _in_torch(graph: nn.Module, inputs: Arrays) -> list[npt.NDArray[Any]]:
    with torch.no_grad():
        outputs = graph(*(torch.from_numpy(array) for array in inputs.values()))
    return [output.numpy() for output in outputs]


def _difference(
    name: str, sizes: str, expected: npt.NDArray[Any], got: npt.NDArray[Any]
) -> Difference:
    _check_form(f"{name} at {sizes}", expected, got)
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


def _check_form(name: str, expected: npt.NDArray[Any], got: npt.NDArray[Any]) -> None:
    if expected.shape != got.shape or expected.dtype != got.dtype:
        raise ParityError(f"{name}: {got.dtype}{got.shape}, not {expected.dtype}{expected.shape}")
