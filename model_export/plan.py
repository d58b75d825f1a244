"""`python -m model_export plan MODELS --clips FILE.npz`: TensorRT plans, built on the target GPU.

Beside `model.plan`, its record, the build's messages and the timing cache are written. Every plan
is compared with onnxruntime right after the build. See `model_export.compilation` for what has not
been verified on a GPU; this includes the comparison itself, tested only with a stand-in
for TensorRT.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from model_export.calibration import read_clips, surest_regions
from model_export.compilation import (
    Compilation,
    CompilationOptions,
    OptimizationProfile,
    compilation_log,
    load,
    profile_of,
    ranges,
)
from model_export.parity import RunEngine, deviations, in_onnxruntime
from model_export.to_onnx import Arrays
from model_export.variants import TOLERANCES, Precision, as_written, precision_of
from ssuformer.contract import SEGMENTATION, EngineSpec, engines
from ssuformer.errors import ConfigError, EngineError
from ssuformer.manifest import Manifest, digest
from ssuformer.repository import MODEL, PLAN, version_folder
from ssuformer.terminal import told

RECORD = f"{PLAN}.json"
MESSAGES = f"{PLAN}.log"
TIMING_CACHE = "timing.cache"


class Record(BaseModel):
    """Record of a plan: inputs, builder, options, and deviation from its ONNX file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    onnx_sha256: str
    plan_sha256: str
    precision: Precision
    tensorrt: str
    compute_capability: str
    profile: OptimizationProfile
    options: CompilationOptions
    seconds: float
    deviations: list[dict[str, str | float]]


def in_tensorrt(trt: ModuleType, plan: bytes, spec: EngineSpec, device: torch.device) -> RunEngine:
    """Return a plan as a function that runs on `device`; raises EngineError if it cannot run."""
    messages = compilation_log(trt)
    runtime = trt.Runtime(messages)
    runtime.engine_host_code_allowed = True  # a version-compatible plan contains its own runtime
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise EngineError(f"TensorRT cannot load the plan: {messages.last_error}")
    context = engine.create_execution_context()
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]

    def run(inputs: Arrays) -> Sequence[npt.NDArray[Any]]:
        memory = {
            name: torch.from_numpy(np.ascontiguousarray(array)).to(device)
            for name, array in inputs.items()
        }
        for name, tensor in memory.items():
            if not context.set_input_shape(name, tuple(tensor.shape)):
                raise EngineError(f"{name}{tuple(tensor.shape)} is outside the plan's profile")
        for output in spec.outputs:
            shape = tuple(context.get_tensor_shape(output.name))
            kind = torch.from_numpy(np.empty(0, output.dtype)).dtype
            memory[output.name] = torch.empty(shape, dtype=kind, device=device)
        if not context.execute_v2([memory[name].data_ptr() for name in names]):
            raise EngineError(f"TensorRT could not run {spec.name}: {messages.last_error}")
        return [memory[output.name].cpu().numpy() for output in spec.outputs]

    return run


def write_plan(
    trt: ModuleType,
    folder: Path,
    spec: EngineSpec,
    *,
    profile: OptimizationProfile,
    options: CompilationOptions,
    clips: Sequence[Arrays],
    device: torch.device,
) -> Record:
    """Build the plan of the model in a version's folder, verify it, and write its record.

    Raises ParityError if the plan deviates too much from its ONNX file; it is deleted then.
    """
    onnx, plan = folder / MODEL, folder / PLAN
    plan.unlink(missing_ok=True)
    began = time.perf_counter()
    compilation = Compilation(trt, onnx, spec)
    try:
        built = compilation.build(profile, options, cache=folder / TIMING_CACHE)
    finally:
        (folder / MESSAGES).write_text("\n".join(compilation.messages) + "\n")
    seconds = time.perf_counter() - began
    precision = precision_of(onnx)
    found = deviations(
        spec,
        as_written(onnx, spec, precision),
        in_tensorrt(trt, built, spec, device),
        clips=clips,
        allowed=TOLERANCES[precision],
    )
    plan.write_bytes(built)
    record = Record(
        onnx_sha256=digest(onnx),
        plan_sha256=digest(plan),
        precision=precision,
        tensorrt=trt.__version__,
        compute_capability=_compute_capability(device),
        profile=profile,
        options=options,
        seconds=round(seconds, 1),
        deviations=[asdict(deviation) for deviation in found],
    )
    (folder / RECORD).write_text(record.model_dump_json(indent=1) + "\n")
    return record


def _compute_capability(device: torch.device) -> str:
    if device.type == "cpu":
        return "none"
    return ".".join(map(str, torch.cuda.get_device_capability(device)))


def build_all(
    models: Path,
    *,
    version: int,
    clips_file: Path,
    options: CompilationOptions,
    device: torch.device,
) -> Iterator[Record]:
    """Build and verify the plans of both engines, beside their ONNX files."""
    trt = load("tensorrt")
    exact = version_folder(models, SEGMENTATION, version)
    manifest = Manifest.read(exact)
    segmentation, captions = engines(manifest.dimensions)
    run = in_onnxruntime(exact / MODEL, segmentation)
    clips = read_clips(clips_file, segmentation)
    for spec, inputs in (
        (segmentation, clips),
        (captions, surest_regions(segmentation, run, clips)),
    ):
        yield write_plan(
            trt,
            version_folder(models, spec.name, version),
            spec,
            profile=profile_of(spec, ranges(manifest.window_frames)),
            options=options,
            clips=inputs,
            device=device,
        )


def check_all(models: Path, *, version: int, target: str) -> Iterator[tuple[str, int]]:
    """Compile both engines for a GPU that is not present; yield their names and sizes in bytes.

    Nothing is kept: Triton cannot serve what TensorRT for RTX builds ahead of time.
    """
    trt = load("tensorrt_rtx")
    manifest = Manifest.read(version_folder(models, SEGMENTATION, version))
    for spec in engines(manifest.dimensions):
        compilation = Compilation(trt, version_folder(models, spec.name, version) / MODEL, spec)
        shapes = profile_of(spec, ranges(manifest.window_frames))
        yield spec.name, len(compilation.build(shapes, CompilationOptions(), target=target))


def plan(
    models: Annotated[Path, typer.Argument(help="A model repository.")],
    *,
    clips: Annotated[
        Path | None, typer.Option(help="Representative clips: `python -m training clips FILE.npz`.")
    ] = None,
    version: Annotated[int, typer.Option(min=1, help="The version to build.")] = 1,
    device: Annotated[str, typer.Option(help="The GPU, as a torch device.")] = "cuda",
    ahead_of_time: Annotated[
        str | None, typer.Option(help="Without a GPU: only check that it compiles, as for `SM89`.")
    ] = None,
    workspace_mib: Annotated[int | None, typer.Option(min=1, help="Memory for one layer.")] = None,
    version_compatible: Annotated[
        bool, typer.Option(help="Make plans loadable by later versions of TensorRT.")
    ] = False,
    hardware_compatible: Annotated[
        bool, typer.Option(help="Make plans run on any GPU since Ampere.")
    ] = False,
) -> None:
    """Build the TensorRT plans of both engines on this GPU, and compare them with onnxruntime.

    Examples:

    `python -m model_export plan fp16 --clips clips.npz`

    `python -m model_export plan fp16 --ahead-of-time SM89`
    """
    console = Console()
    options = CompilationOptions(
        workspace_mib=workspace_mib,
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
    )
    with told():
        if ahead_of_time is not None:
            for name, size in check_all(models, version=version, target=ahead_of_time):
                console.print(f"{name}: compiles for {ahead_of_time}, {size / 2**20:.1f} MiB")
        elif clips is None:
            raise ConfigError("plans are verified on representative clips: set --clips FILE.npz")
        else:
            for record in build_all(
                models,
                version=version,
                clips_file=clips,
                options=options,
                device=torch.device(device),
            ):
                console.print(record.model_dump_json(indent=1), markup=False)
