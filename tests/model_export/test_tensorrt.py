"""What can be known of TensorRT without a GPU: NVIDIA's own parser and builder, and a stand-in."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from model_export import plan
from model_export.calibration import read_clips, surest_regions
from model_export.compilation import (
    Compilation,
    CompilationOptions,
    Range,
    load,
    profile_of,
    ranges,
)
from model_export.parity import in_onnxruntime
from model_export.server_config import BATCHING
from model_export.to_onnx import Arrays
from model_export.variants import Precision
from ssuformer import contract
from ssuformer.contract import CAPTION, SEGMENTATION, EngineSpec, TensorSpec
from ssuformer.errors import ConfigError, EngineError, EngineMismatch, ParityError
from ssuformer.manifest import Manifest, digest
from tests.model_export.conftest import REPOSITORY
from tests.model_export.fake_tensorrt import FakeTensorRT

MANIFEST = Manifest.read(REPOSITORY / SEGMENTATION / "1")
SPECS = {spec.name: spec for spec in contract.engines(MANIFEST.dimensions)}
SIZES = ranges(MANIFEST.window_frames)
CPU = torch.device("cpu")


def written(path: Path, *nodes: onnx.NodeProto, dtype: int, out: int, rank: int = 2) -> EngineSpec:
    """Write a graph from x to y, and return an engine that takes and gives float32."""
    shape = [2] * rank
    tensors = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, kind in (("x", dtype), ("y", out))
    ]
    graph = helper.make_graph(list(nodes), "small", tensors[:1], tensors[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), path)
    x, y = (TensorSpec(name, "float32", tuple(shape)) for name in "xy")
    return EngineSpec("small", inputs=(x,), outputs=(y,))


@pytest.mark.parametrize("name", list(SPECS))
@pytest.mark.parametrize(
    "precision",
    [Precision.FP32, Precision.FP16, Precision.BF16, Precision.INT8, Precision.FP8],
)
def test_nvidias_parser_accepts_every_node_and_reads_the_tensors_of_the_contract(
    engines: dict[Precision, Path], precision: Precision, name: str
) -> None:
    path = engines[precision] / name / "1" / "model.onnx"

    compilation = Compilation(load("tensorrt_rtx"), path, SPECS[name])

    assert not [line for line in compilation.messages if line.startswith("ERROR")]


@pytest.mark.parametrize("name", list(SPECS))
def test_a_float16_engine_compiles_ahead_of_time(engines: dict[Precision, Path], name: str) -> None:
    path = engines[Precision.FP16] / name / "1" / "model.onnx"
    compilation = Compilation(load("tensorrt_rtx"), path, SPECS[name])

    built = compilation.build(profile_of(SPECS[name], SIZES), CompilationOptions(), target="SM89")

    assert len(built) > path.stat().st_size


def test_a_node_that_tensorrt_refuses_is_named(tmp_path: Path) -> None:
    turn = helper.make_node("Transpose", ["x"], ["y"], name="turn_bytes", perm=[1, 0])
    uint8 = TensorProto.UINT8
    spec = written(tmp_path / "model.onnx", turn, dtype=uint8, out=uint8)

    with pytest.raises(EngineMismatch, match=r"node turn_bytes \(Transpose\).*UInt8"):
        Compilation(load("tensorrt_rtx"), tmp_path / "model.onnx", spec)


def test_a_tensor_of_another_type_than_the_contracts_is_refused(tmp_path: Path) -> None:
    half = TensorProto.FLOAT16
    narrow = helper.make_node("Cast", ["x"], ["y"], to=half)
    spec = written(tmp_path / "model.onnx", narrow, dtype=TensorProto.FLOAT, out=half)

    with pytest.raises(EngineMismatch, match="do not match the contract") as refusal:
        Compilation(load("tensorrt_rtx"), tmp_path / "model.onnx", spec)

    assert "HALF" in str(refusal.value.actual)


def test_a_target_that_tensorrt_does_not_know_is_refused(tmp_path: Path) -> None:
    same = helper.make_node("Relu", ["x"], ["y"])
    path = tmp_path / "model.onnx"
    spec = written(path, same, dtype=TensorProto.FLOAT, out=TensorProto.FLOAT)
    compilation = Compilation(load("tensorrt_rtx"), path, spec)

    with pytest.raises(ConfigError, match=r"unknown target 'SM1'.*SM89"):
        compilation.build(profile_of(spec, {}), CompilationOptions(), target="SM1")


AFTER_A_REFUSAL = """
import gc, sys
from pathlib import Path
from model_export.compilation import Compilation, load
from ssuformer.contract import caption_engine
from ssuformer.manifest import Manifest

model = Path("triton_repo/ssu_caption/1")
spec = caption_engine(Manifest.read(model).dimensions)
def collect_while_logging(frame, event, argument):
    if event == "call" and frame.f_code.co_name == "log" and gc.isenabled():
        gc.collect()  # as the collector does by itself, sooner or later

gc.set_threshold(10**9)
compilation = Compilation(load("tensorrt_rtx"), model / "model.onnx", spec)
compilation.itself = compilation  # as a traceback keeps it: only the collector frees it
del compilation
sys.setprofile(collect_while_logging)
Compilation(load("tensorrt_rtx"), model / "model.onnx", spec)
print("read")
"""


def test_garbage_of_an_earlier_compilation_does_not_stop_the_next_one() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", AFTER_A_REFUSAL], capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip

    assert ended.stdout == "read\n", ended.stderr


def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(ConfigError, match=r"pip install '\.\[tensorrt-of-nobody\]'"):
        load("tensorrt_of_nobody")


def test_profiles_hold_what_triton_and_the_service_ask_for() -> None:
    segmentation = profile_of(SPECS[SEGMENTATION], SIZES)
    captions = profile_of(SPECS[CAPTION], SIZES)
    largest = BATCHING[SEGMENTATION].largest

    assert set(segmentation) == {"frames", "waveform"}
    assert segmentation["frames"][0] == (1, 1, 224, 224, 3)
    assert segmentation["waveform"][2] == (largest, MANIFEST.window_frames, 16000)
    assert captions["scene_prompt"][2] == (BATCHING[CAPTION].largest, MANIFEST.dimensions.channels)
    assert all(size.least <= size.usual <= size.most for size in SIZES.values())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A version's folder with the caption engine."""
    shutil.copy(REPOSITORY / CAPTION / "1" / "model.onnx", tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def regions(clips_file: Path) -> list[Arrays]:
    spec = SPECS[SEGMENTATION]
    run = in_onnxruntime(REPOSITORY / SEGMENTATION / "1" / "model.onnx", spec)
    return surest_regions(spec, run, read_clips(clips_file, spec))


def write(
    trt: FakeTensorRT,
    folder: Path,
    regions: list[Arrays],
    *,
    options: CompilationOptions | None = None,
    sizes: dict[str, Range] = SIZES,
) -> plan.Record:
    return plan.write_plan(
        trt,
        folder,
        SPECS[CAPTION],
        profile=profile_of(SPECS[CAPTION], sizes),
        options=options or CompilationOptions(),
        clips=regions,
        device=CPU,
    )


def test_a_plan_is_kept_with_its_record_its_messages_and_its_timings(
    folder: Path, regions: list[Arrays]
) -> None:
    trt = FakeTensorRT()

    record = write(trt, folder, regions)

    assert plan.Record.model_validate_json((folder / plan.RECORD).read_text()) == record
    assert record.onnx_sha256 == digest(folder / "model.onnx")
    assert record.plan_sha256 == digest(folder / "model.plan")
    assert (record.tensorrt, record.precision) == ("11.1.0", Precision.FP32)
    assert [deviation["share"] for deviation in record.deviations] == [0.0, 0.0]
    assert (folder / plan.MESSAGES).read_text() == "INFO: parsed\n"
    assert (folder / plan.TIMING_CACHE).read_bytes() == b"timed"
    assert trt.network_flags == 1 << trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED


def test_a_second_build_begins_with_the_timings_of_the_first(
    folder: Path, regions: list[Arrays]
) -> None:
    write(FakeTensorRT(), folder, regions)

    write(FakeTensorRT(), folder, regions)

    assert (folder / plan.TIMING_CACHE).read_bytes() == b"timedtimed"


def test_a_plan_that_computes_something_else_is_an_error_and_is_not_kept(
    folder: Path, regions: list[Arrays]
) -> None:
    write(FakeTensorRT(), folder, regions)

    with pytest.raises(ParityError, match="token_ids"):
        write(FakeTensorRT(worn=True), folder, regions)

    assert not (folder / "model.plan").exists()


def test_a_build_that_fails_says_why_and_leaves_its_messages(
    folder: Path, regions: list[Arrays]
) -> None:
    with pytest.raises(EngineError, match="no tactic was found"):
        write(FakeTensorRT(fails=True), folder, regions)

    assert "ERROR: no tactic was found" in (folder / plan.MESSAGES).read_text()


def test_a_clip_outside_the_profile_is_an_error(folder: Path, regions: list[Arrays]) -> None:
    with pytest.raises(EngineError, match="outside the plan's profile"):
        write(FakeTensorRT(), folder, regions, sizes={"n": Range(1, 1, 1)})


def test_the_options_reach_the_builder(folder: Path, regions: list[Arrays]) -> None:
    trt = FakeTensorRT()
    options = CompilationOptions(
        workspace_mib=512, version_compatible=True, hardware_compatible=True
    )

    write(trt, folder, regions, options=options)

    configuration = trt.configuration
    assert configuration.flags == [trt.BuilderFlag.VERSION_COMPATIBLE]
    assert configuration.pools == {trt.MemoryPoolType.WORKSPACE: 512 * 2**20}
    assert configuration.hardware_compatibility_level == trt.HardwareCompatibilityLevel.AMPERE_PLUS
    assert configuration.profile.shapes == profile_of(SPECS[CAPTION], SIZES)
