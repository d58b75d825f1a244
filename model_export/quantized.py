"""8-bit engines: static for TensorRT, and dynamic for onnxruntime on a CPU.

TensorRT supports symmetric quantisation only: every zero point is 0. Only inputs of convolutions
and weighted products are quantised: an output would need one range for all channels, and the
deviation of masks was ten times larger. Products inside a loop are not quantised, as onnxruntime
calibrates the outer graph only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import onnx_ir as ir
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from model_export.float16 import front_end
from model_export.to_onnx import Arrays

EXACT = ("model.audio.", "model.evidence.")
"""Beginnings of the names of weights that are not quantised: the audio encoder, a twentieth of the
time, whose features deviate by half in 8 bits, and the tables of the published classifiers."""

_SYMMETRIC = {"ActivationSymmetric": True, "WeightSymmetric": True}


def quantize(source: Path, target: Path, clips: Sequence[Arrays]) -> None:
    """Write `source` with quantised convolutions and products, calibrated on `clips`."""
    operators = ["Conv", "Gemm", "MatMul"]
    with _quiet():
        quantize_static(
            source,
            target,
            _Inputs(clips),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            op_types_to_quantize=operators,
            nodes_to_quantize=_weighted(source, operators),
            extra_options={
                **_SYMMETRIC,
                "OpTypesToExcludeOutputQuantization": operators,
                "QuantizeBias": False,
            },
        )


def quantize_on_the_fly(source: Path, target: Path) -> None:
    """Write `source` with dynamically quantised products; CPU only."""
    operators = ["MatMul"]
    with _quiet():
        quantize_dynamic(
            source,
            target,
            op_types_to_quantize=operators,
            nodes_to_quantize=_weighted(source, operators),
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"WeightSymmetric": True},
        )


def _weighted(path: Path, operators: Sequence[str]) -> list[str | None]:
    """Return the names of the nodes with weights to quantise, so not of the mel spectrogram."""
    graph = ir.load(path).graph
    front = front_end(graph)
    return [
        node.name
        for node in graph
        if node.op_type in operators and node not in front and _quantised(node.inputs[1])
    ]


def _quantised(value: ir.Value | None) -> bool:
    if value is None or not value.is_initializer() or len(value.shape or ()) < 2:
        return False
    return not (value.name or "").startswith(EXACT)


class _Inputs(CalibrationDataReader):  # type: ignore[misc]
    """Feeds clips one by one to onnxruntime's calibration."""

    def __init__(self, clips: Sequence[Arrays]) -> None:
        self._clips = iter(clips)

    def get_next(self) -> dict[str, Any] | None:
        """Return the next clip, None after the last."""
        return next(self._clips, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence onnxruntime's advice on preprocessing, which does not apply to these graphs."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
