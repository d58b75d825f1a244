"""Engines of lower precision keep the contract, stay near the exact ones, and fail loudly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx_ir.traversal import RecursiveGraphIterator

from model_export import parity, variants
from model_export.calibration import read_clips
from model_export.float16 import front_end, round_as_bfloat16, to_float16
from model_export.parity import Tolerance
from model_export.quantized import EXACT
from model_export.storage import load_float32
from model_export.variants import Precision, precision_of
from ssuformer import contract
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.errors import ConfigError, ParityError
from ssuformer.manifest import Manifest, digest
from tests.model_export.conftest import REPOSITORY

SIZE = Manifest.read(REPOSITORY / SEGMENTATION / "1").dimensions
SPECS = contract.engines(SIZE)
LOWER = tuple(variants.CONVERSIONS)
NARROW = {
    ir.DataType.FLOAT16,
    ir.DataType.BFLOAT16,
    ir.DataType.INT8,
    ir.DataType.FLOAT8E4M3FN,
}


def model(engines: dict[Precision, Path], precision: Precision, name: str) -> Path:
    return engines[precision] / name / "1" / "model.onnx"


def zero_points(path: Path) -> list[np.ndarray]:
    graph = ir.load(path).graph
    weights = {name: value.const_value for name, value in graph.initializers.items()}
    points = [
        weights[node.inputs[2].name or ""]
        for node in graph
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.inputs[2] is not None
    ]
    return [point.numpy() for point in points if point is not None]


@pytest.mark.parametrize("precision", LOWER)
def test_a_variant_has_the_names_types_and_axes_of_the_contract(
    engines: dict[Precision, Path], precision: Precision
) -> None:
    for spec in SPECS:
        graph = ir.load(model(engines, precision, spec.name)).graph
        found = [(value.name, str(value.dtype and value.dtype.numpy())) for value in graph.inputs]
        given = [(value.name, str(value.dtype and value.dtype.numpy())) for value in graph.outputs]

        assert found == [(tensor.name, tensor.dtype) for tensor in spec.inputs]
        assert given == [(tensor.name, tensor.dtype) for tensor in spec.outputs]


@pytest.mark.parametrize("precision", LOWER)
def test_a_variant_says_what_it_computes_in_and_has_a_manifest_that_fits(
    engines: dict[Precision, Path], precision: Precision
) -> None:
    path = model(engines, precision, SEGMENTATION)

    manifest = Manifest.read(path.parent)

    assert precision_of(path) == precision
    assert manifest.digests["model.onnx"] == digest(path)
    assert manifest.vocabulary == Manifest.read(REPOSITORY / SEGMENTATION / "1").vocabulary


def test_the_exported_engines_say_they_compute_in_float32() -> None:
    assert precision_of(REPOSITORY / CAPTION / "1" / "model.onnx") == Precision.FP32


def test_float16_engines_are_no_larger_than_those_that_only_store_float16(
    engines: dict[Precision, Path],
) -> None:
    sizes = {
        precision: [model(engines, precision, spec.name).stat().st_size for spec in SPECS]
        for precision in (Precision.FP32, Precision.FP16)
    }

    for exact, half in zip(sizes[Precision.FP32], sizes[Precision.FP16], strict=True):
        assert half <= exact


def test_the_spectrogram_stays_float32_in_every_precision(
    engines: dict[Precision, Path],
) -> None:
    for precision in LOWER:
        front = front_end(ir.load(model(engines, precision, SEGMENTATION)).graph)

        assert front[-1].op_type == "Log"
        assert any(node.op_type == "MatMul" for node in front)
        floats = [v.dtype for n in front for v in n.inputs if v is not None and v.const_value]
        assert not NARROW & set(floats)


def test_the_loop_of_the_caption_engine_computes_in_float16_inside(
    engines: dict[Precision, Path],
) -> None:
    graph = ir.load(model(engines, Precision.FP16, CAPTION)).graph

    products = [node for node in RecursiveGraphIterator(graph) if node.op_type == "MatMul"]

    inside = [node for node in products if node.graph is not graph]
    assert inside
    assert {node.outputs[0].dtype for node in inside} == {ir.DataType.FLOAT16}


def test_a_bfloat16_engine_is_checked_by_rounding_where_it_rounds(
    engines: dict[Precision, Path],
) -> None:
    path = model(engines, Precision.BF16, CAPTION)
    graph = ir.load(path)

    round_as_bfloat16(graph)

    nodes = list(RecursiveGraphIterator(graph.graph))
    rounded = [v for node in nodes for v in node.outputs if v.dtype == ir.DataType.BFLOAT16]
    assert rounded
    assert all(user.op_type == "Cast" for value in rounded for user, _ in value.uses())
    assert not [w for w in graph.graph.initializers.values() if w.dtype == ir.DataType.BFLOAT16]


def test_float8_holds_the_exact_weights_to_a_sixteenth(engines: dict[Precision, Path]) -> None:
    source = load_float32(model(engines, Precision.FP32, SEGMENTATION))
    exact = ir.from_proto(source).graph.initializers
    graph = ir.load(model(engines, Precision.FP8, SEGMENTATION)).graph

    told = {value.name: value.const_value for value in graph.initializers.values()}
    narrow = {name: told[name] for name in told if name and name.endswith("_quantized")}
    assert {weight and weight.dtype for weight in narrow.values()} == {ir.DataType.FLOAT8E4M3FN}
    filters = [name for name, weight in narrow.items() if weight and len(weight.shape) == 4]
    assert len(filters) > 20
    for name in filters:
        weight = name.removesuffix("_quantized")
        numbers, steps, wanted = (
            value.numpy().astype(np.float32)
            for value in (told[name], told[f"{weight}_scale"], exact[weight].const_value)
            if value is not None
        )
        found = numbers * steps.reshape(-1, 1, 1, 1)
        np.testing.assert_allclose(found, wanted, rtol=1 / 16, atol=steps.max() / 256)


def test_a_graph_that_does_not_say_its_types_is_refused() -> None:
    path = REPOSITORY / CAPTION / "1" / "model.onnx"
    untyped = onnx.load(path)
    untyped.graph.ClearField("value_info")

    with pytest.raises(ConfigError, match="type of"):
        to_float16(ir.from_proto(untyped))


def test_int8_has_zero_points_of_zero_alone_and_a_scale_for_every_channel(
    engines: dict[Precision, Path],
) -> None:
    path = model(engines, Precision.INT8, SEGMENTATION)

    points = zero_points(path)

    assert len(points) > 50
    assert all(point.dtype == np.int8 for point in points)
    assert not any(point.any() for point in points)
    assert sum(point.ndim == 1 and len(point) > 1 for point in points) > 50


def test_int8_leaves_no_layer_out_but_the_audio_encoder_and_the_evidence(
    engines: dict[Precision, Path],
) -> None:
    graph = ir.load(model(engines, Precision.INT8, SEGMENTATION)).graph
    front = front_end(graph)

    left_out = [
        str(node.inputs[1].name)
        for node in graph
        if node.op_type in ("Conv", "MatMul", "Gemm")
        and node not in front
        and node.inputs[1] is not None
        and node.inputs[1].is_initializer()
        and len(node.inputs[1].shape or ()) > 1
    ]

    assert len(left_out) > len(EXACT)
    assert [name for name in left_out if not name.startswith(EXACT)] == []


def test_a_variant_that_is_too_far_away_is_an_error_and_is_not_kept(
    clips_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = Tolerance(numbers=1e-9, sentences=0)
    monkeypatch.setitem(variants.TOLERANCES, Precision.FP16, strict)

    with pytest.raises(ParityError, match=r"mask_probability deviates by"):
        variants.write(REPOSITORY, tmp_path, Precision.FP16, clips_file)

    assert not (tmp_path / SEGMENTATION / "1" / "model.onnx").exists()


def test_engines_are_not_written_over_the_ones_they_are_made_from(clips_file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written to triton_repo"):
        variants.write(REPOSITORY, REPOSITORY, Precision.FP16, clips_file)


def test_engines_are_not_made_from_others_of_lower_precision(
    engines: dict[Precision, Path], clips_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="fp16 already"):
        variants.write(engines[Precision.FP16], tmp_path, Precision.INT8, clips_file)


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"frames": np.zeros((2, 1, 224, 224, 3), np.uint8)}, "waveform"),
        (
            {
                "frames": np.zeros((2, 1, 224, 224, 3), np.float32),
                "waveform": np.zeros((2, 1, 16000), np.float32),
            },
            "frames .* is float32",
        ),
        (
            {
                "frames": np.zeros((2, 1, 224, 224, 3), np.uint8),
                "waveform": np.zeros((2, 1, 8000), np.float32),
            },
            "waveform .* is float32.*8000",
        ),
        (
            {
                "frames": np.zeros((1, 1, 224, 224, 3), np.uint8),
                "waveform": np.zeros((1, 1, 16000), np.float32),
            },
            "too few clips",
        ),
    ],
)
def test_a_file_of_clips_that_does_not_fit_the_contract_is_named(
    tmp_path: Path, arrays: dict[str, np.ndarray], complaint: str
) -> None:
    path = tmp_path / "clips.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match=complaint):
        read_clips(path, SPECS[0])


def test_a_file_that_holds_no_arrays_is_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "clips.npz"
    path.write_text("not arrays")

    with pytest.raises(ConfigError, match="does not contain valid clips"):
        read_clips(path, SPECS[0])


def test_numbers_that_are_none_are_too_far_away() -> None:
    spec = SPECS[1]
    ids = np.zeros((2, 3), np.int64)
    scores = np.ones((2, 3), np.float32)

    with pytest.raises(ParityError, match="log_probability"):
        parity.deviations(
            spec,
            lambda _: [ids, scores],
            lambda _: [ids, scores * np.float32("nan")],
            clips=[{}],
            allowed=Tolerance(numbers=1, sentences=1),
        )


def test_deviations_count_sentences_that_differ_and_average_numbers() -> None:
    spec = SPECS[1]
    ids = np.array([[1, 2, 3], [4, 5, 6]])
    scores = np.full((2, 3), 2.0, np.float32)
    other = np.array([[1, 2, 3], [4, 0, 6]])

    found = parity.deviations(
        spec,
        lambda _: [ids, scores],
        lambda _: [other, scores + 0.5],
        clips=[{}, {}],
        allowed=Tolerance(numbers=1, sentences=1),
    )

    assert [deviation.share for deviation in found] == [0.5, 0.25]


def test_an_engine_of_another_shape_is_no_variant() -> None:
    ids = np.zeros((2, 3), np.int64)
    scores = np.ones((2, 3), np.float32)

    with pytest.raises(ParityError, match="token_ids: int64"):
        parity.deviations(
            SPECS[1],
            lambda _: [ids, scores],
            lambda _: [ids[:1], scores],
            clips=[{}],
            allowed=Tolerance(numbers=1, sentences=1),
        )
