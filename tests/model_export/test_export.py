"""What is exported computes what the model computes, and says so when it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from model_export import parity, repository, to_onnx
from model_export.graph import CaptionGraph, SegmentationGraph
from ssuformer.contract import caption_engine, segmentation_engine
from ssuformer.errors import ParityError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint
from tests.ssuformer.model.small_model import small_config, small_model

REPOSITORY = Path("triton_repo")
CHECKPOINT = Path("training/checkpoints/tiny")


@pytest.fixture(scope="module")
def caption_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("caption") / "1" / "model.onnx"
    spec = caption_engine(small_config().dimensions)
    to_onnx.export(CaptionGraph(small_model().eval()), spec, path, n=3)
    return path


def test_the_caption_graph_says_what_the_model_says_at_any_number_of_regions(
    caption_file: Path,
) -> None:
    graph, spec = CaptionGraph(small_model().eval()), caption_engine(small_config().dimensions)

    differences = parity.compare(graph, spec, caption_file, [{"n": 1}, {"n": 3}, {"n": 9}])

    assert [d.largest for d in differences if d.output.endswith("token_ids")] == [0.0, 0.0, 0.0]


def test_parity_fails_loudly_when_the_weights_are_others(caption_file: Path) -> None:
    torch.manual_seed(9)
    other = small_model()
    torch.nn.init.normal_(other.caption.words.weight)

    with pytest.raises(ParityError, match="token_ids"):
        parity.compare(
            CaptionGraph(other.eval()),
            caption_engine(small_config().dimensions),
            caption_file,
            [{"n": 5}],
        )


def test_the_caption_file_has_the_names_and_axes_of_the_contract(caption_file: Path) -> None:
    session = onnxruntime.InferenceSession(caption_file)
    spec = caption_engine(small_config().dimensions)

    inputs = {i.name: list(i.shape) for i in session.get_inputs()}

    assert list(inputs) == [tensor.name for tensor in spec.inputs]
    assert [o.name for o in session.get_outputs()] == [tensor.name for tensor in spec.outputs]
    for tensor in spec.inputs:
        fixed = [axis for axis in inputs[tensor.name] if isinstance(axis, int)]
        assert fixed == [axis for axis in tensor.axes if isinstance(axis, int)]


def test_the_committed_engines_compute_what_the_committed_checkpoint_computes() -> None:
    model, manifest = checkpoint.load(CHECKPOINT)
    size = manifest.dimensions

    for graph, spec, sizes in (
        (SegmentationGraph(model), segmentation_engine(size), [{"b": 1, "t": 2}, {"b": 2, "t": 3}]),
        (CaptionGraph(model), caption_engine(size), [{"n": 1}, {"n": 5}]),
    ):
        path = REPOSITORY / spec.name / "1" / repository.MODEL
        differences = parity.compare(graph.eval(), spec, path, sizes)

        assert len(differences) == len(sizes) * len(spec.outputs)


def test_the_committed_configs_are_the_generated_ones() -> None:
    size = Manifest.read(CHECKPOINT).dimensions

    for spec in (segmentation_engine(size), caption_engine(size)):
        committed = (REPOSITORY / spec.name / repository.CONFIG).read_text()
        assert committed == repository.config_text(spec)


def test_both_committed_engines_are_under_forty_megabytes_together() -> None:
    total = sum(path.stat().st_size for path in REPOSITORY.rglob("*.onnx"))

    assert 0 < total < 40e6


def test_example_inputs_follow_the_contract() -> None:
    spec = segmentation_engine(small_config().dimensions)

    inputs = to_onnx.example_inputs(spec, 0, b=2, t=3)

    assert {name: (array.shape, array.dtype) for name, array in inputs.items()} == {
        "frames": ((2, 3, 224, 224, 3), np.dtype("uint8")),
        "waveform": ((2, 3, 16000), np.dtype("float32")),
    }
