"""What is exported computes what the model computes, and says so when it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig, ModelInstanceGroup

from model_export import parity, server_config, to_onnx
from model_export.graph import CaptionGraph, SegmentationGraph
from model_export.server_config import (
    CPU,
    SERVER_VARIANTS,
    ServerVariant,
    config_paths,
    config_text,
)
from ssuformer.contract import (
    CAPTION,
    SEGMENTATION,
    EngineSpec,
    caption_engine,
    engines,
    segmentation_engine,
)
from ssuformer.errors import ConfigError, ParityError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint
from tests.ssuformer.model.small_model import small_config, small_model

REPOSITORY = Path("triton_repo")
CHECKPOINT = Path("training/checkpoints/small")


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


@pytest.mark.parametrize("prompts", ["pyramid", "words"])
def test_the_caption_graph_has_the_rival_prompts_too(prompts: str, tmp_path: Path) -> None:
    graph = CaptionGraph(small_model(prompts=prompts).eval())
    spec = caption_engine(small_config(prompts=prompts).dimensions)
    path = tmp_path / "1" / "model.onnx"

    to_onnx.export(graph, spec, path, n=3)

    differences = parity.compare(graph, spec, path, [{"n": 2}])
    assert [d.largest for d in differences if d.output.endswith("token_ids")] == [0.0]


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
        path = REPOSITORY / spec.name / "1" / "model.onnx"
        differences = parity.compare(graph.eval(), spec, path, sizes)

        assert len(differences) == len(sizes) * len(spec.outputs)


def test_other_weights_have_another_graph_name_and_the_same_ones_the_same(
    caption_file: Path, tmp_path: Path
) -> None:
    model = onnx.load(caption_file)
    again, other = tmp_path / "again.onnx", tmp_path / "other.onnx"

    to_onnx.save(model, again)
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    to_onnx.save(model, other)

    names = [onnx.load(file).graph.name for file in (caption_file, again, other)]
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize("name", [SEGMENTATION, CAPTION])
def test_the_committed_graphs_are_named_after_their_weights(name: str, tmp_path: Path) -> None:
    committed = onnx.load(REPOSITORY / name / "1" / "model.onnx")
    named = committed.graph.name

    to_onnx.save(committed, tmp_path / "model.onnx")

    assert committed.graph.name == named != to_onnx.GRAPH


def test_the_digests_of_a_version_are_published_before_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, manifest = committed_specs()[1]
    seen = []

    def rename(self: Path, target: Path) -> Path:
        if self.name == "7.new":
            seen.append((tmp_path / spec.name / "config.pbtxt").read_text())
        return renamed(self, target)

    renamed = Path.rename
    monkeypatch.setattr(Path, "rename", rename)
    with server_config.staging(tmp_path, [spec], 7) as folders:
        manifest.write(folders[spec])
        server_config.publish(tmp_path, [spec], 7)

    assert len(seen) == 1
    assert "weights_sha256.7" in seen[0]
    assert (tmp_path / spec.name / "7").is_dir()


def test_an_export_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    unreadable = tmp_path / SEGMENTATION / "1" / "manifest.json"
    unreadable.parent.mkdir(parents=True)
    unreadable.write_text("{")

    with pytest.raises(ConfigError):
        _publish_committed(tmp_path, 2)

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [unreadable]
    assert not list(tmp_path.rglob("*.new"))


def _publish_committed(models: Path, version: int) -> None:
    with server_config.staging(models, [spec for spec, _ in committed_specs()], version) as folders:
        for (_, manifest), folder in zip(committed_specs(), folders.values(), strict=True):
            manifest.write(folder)
        server_config.publish(models, list(folders), version)


def committed_specs() -> list[tuple[EngineSpec, Manifest]]:
    """Return both engines, each with the manifest that lies beside it."""
    manifests = [Manifest.read(REPOSITORY / name / "1") for name in (SEGMENTATION, CAPTION)]
    return list(zip(engines(manifests[0].dimensions), manifests, strict=True))


def test_the_committed_configs_are_the_generated_ones() -> None:
    for spec, manifest in committed_specs():
        wanted = config_paths(REPOSITORY, spec)

        assert set((REPOSITORY / spec.name).rglob("*.pbtxt")) == set(wanted)
        for path, profile in wanted.items():
            assert path.read_text() == config_text(spec, {1: manifest}, profile), path


def parsed(spec: EngineSpec, manifest: Manifest, profile: ServerVariant) -> ModelConfig:
    """Read a configuration as Triton does: a field that it does not know is an error."""
    return text_format.Parse(config_text(spec, {1: manifest}, profile), ModelConfig())


@pytest.mark.parametrize("profile", [CPU, *SERVER_VARIANTS], ids=lambda p: p.name)
def test_a_config_is_what_triton_can_read_and_says_what_the_contract_says(
    profile: ServerVariant,
) -> None:
    for spec, manifest in committed_specs():
        config = parsed(spec, manifest, profile)

        assert config.name == spec.name
        assert [tensor.name for tensor in config.input] == [t.name for t in spec.inputs]
        assert [tensor.name for tensor in config.output] == [t.name for t in spec.outputs]
        assert list(config.input[0].dims) == [
            -1 if isinstance(axis, str) else axis for axis in spec.inputs[0].axes[1:]
        ]
        weights = config.parameters["weights_sha256.1"].string_value
        assert weights == manifest.digests["model.safetensors"]
        assert not config.response_cache.enable


@pytest.mark.parametrize("profile", [CPU, *SERVER_VARIANTS], ids=lambda p: p.name)
def test_waiting_is_bounded_in_number_and_in_time(profile: ServerVariant) -> None:
    for spec, manifest in committed_specs():
        config = parsed(spec, manifest, profile)
        batching, policy = config.dynamic_batching, config.dynamic_batching.default_queue_policy

        assert max(batching.preferred_batch_size) <= config.max_batch_size
        assert 500 <= batching.max_queue_delay_microseconds <= 3000
        assert policy.max_queue_size > config.max_batch_size
        assert policy.default_timeout_microseconds > 0
        assert policy.allow_timeout_override
        assert policy.timeout_action == policy.REJECT


def test_the_profiles_differ_in_what_the_engines_run_on() -> None:
    segmentation, caption = (
        {p.name: parsed(spec, manifest, p) for p in (CPU, *SERVER_VARIANTS)}
        for spec, manifest in committed_specs()
    )

    kinds = {name: config.instance_group[0].kind for name, config in segmentation.items()}
    gpu, cpu = ModelInstanceGroup.KIND_GPU, ModelInstanceGroup.KIND_CPU
    assert kinds == {
        "onnx-cpu": cpu, "onnx-cuda": gpu, "onnx-cuda-tensorrt": gpu, "tensorrt": gpu
    }  # fmt: skip
    assert segmentation["onnx-cpu"].instance_group[0].count == 2
    assert caption["onnx-cpu"].instance_group[0].count == 1
    assert segmentation["onnx-cpu"].parameters["intra_op_thread_count"].string_value == "1"
    assert segmentation["tensorrt"].platform == caption["tensorrt"].platform == "tensorrt_plan"
    assert segmentation["tensorrt"].default_model_filename == "model.plan"
    accelerators = [
        [
            accelerator.name
            for accelerator in one.optimization.execution_accelerators.gpu_execution_accelerator
        ]
        for one in (segmentation["onnx-cuda-tensorrt"], caption["onnx-cuda-tensorrt"])
    ]
    assert accelerators == [["tensorrt"], []]


def test_models_are_warmed_up_with_the_smallest_and_the_largest_batch() -> None:
    (segmentation, manifest), (caption, _) = committed_specs()

    window, regions = (
        {
            sample.name: (sample.batch_size, {k: list(v.dims) for k, v in sample.inputs.items()})
            for sample in parsed(spec, manifest, CPU).model_warmup
        }
        for spec in (segmentation, caption)
    )

    assert window == {
        "smallest": (1, {"frames": [1, 224, 224, 3], "waveform": [1, 16000]}),
        "largest": (8, {"frames": [10, 224, 224, 3], "waveform": [10, 16000]}),
    }
    assert regions["smallest"][0] == 1
    assert regions["largest"][0] == 64


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
