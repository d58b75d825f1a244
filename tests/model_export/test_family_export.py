"""Every family exports to the contract's graph and computes there what it computes in torch."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch

from model_export import parity, to_onnx
from model_export.graph import SegmentationGraph
from ssuformer.contract import segmentation_engine
from ssuformer.model.config import Family
from ssuformer.model.family.tpavi import AudioVisualAttention
from tests.ssuformer.model.small_model import small_model

SIZES = ({"b": 1, "t": 1}, {"b": 1, "t": 3}, {"b": 3, "t": 2})


@pytest.mark.parametrize("family", get_args(Family))
def test_a_family_computes_the_same_in_onnxruntime_for_any_clips_and_seconds(
    family: str, tmp_path: Path
) -> None:
    model = small_model(family=family, heard=True).eval()
    for module in model.modules():
        if isinstance(module, AudioVisualAttention):
            torch.nn.init.constant_(module.begin.weight, 0.5)
    graph, spec = SegmentationGraph(model).eval(), segmentation_engine(model.config.dimensions)

    to_onnx.export(graph, spec, tmp_path / "model.onnx", b=2, t=4)
    differences = parity.compare(graph, spec, tmp_path / "model.onnx", SIZES)

    assert len(differences) == len(SIZES) * len(spec.outputs)
