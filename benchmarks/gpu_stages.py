"""What `python -m benchmarks.gpu_check` does on a device, stage by stage.

A stage returns an `Outcome`, or raises: `NotRun` with the reason if something it needs is missing
here, anything else if it fails. Stages leave files for each other in the check's folder:

    batches.pt                  composed scenes as training batches
    clips.npz                   composed scenes as engine inputs
    fp32, fp16                  model repositories; TensorRT's plans are written beside their models
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch

from benchmarks.timing import measure
from model_export import plan, variants
from model_export.calibration import read_clips, surest_regions
from model_export.compilation import CompilationOptions, load
from model_export.parity import CPU, RunEngine, deviations, in_onnxruntime
from model_export.server_config import BATCHING
from model_export.to_onnx import Arrays, example_inputs
from model_export.variants import TOLERANCES, Precision
from ssuformer.contract import CAPTION, SEGMENTATION, EngineSpec, engines
from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint
from ssuformer.model.caption import Regions
from ssuformer.repository import MODEL, PLAN, open_repository, version_folder
from training.batch import Batch, SceneTensors, batches
from training.experiment import Experiment, Stage
from training.fit import Precision as TrainingPrecision
from training.fit import open_device, start, train_step
from training.losses import TrainingLoss
from training.packs import procedural
from training.scenes.clips import write_clips
from training.scenes.composer import Composer
from training.task import Task

BATCH = 4
SECONDS = 2
CLIPS = 8
CUDA = "CUDAExecutionProvider"

LEAST_FALL = 0.9
"""The last losses over the first: the scenes repeat, so that every working step lowers them."""
MOST_APART = 0.1
"""Relative difference of the last losses in bfloat16 and in float32, from one seed."""
MEMORY_ROUNDS = 6
MOST_GROWTH_MIB = 64
"""Growth of the used GPU memory after every shape has been seen twice."""

NO_DEVICE = "no CUDA device"


class NotRun(Exception):
    """Something that a stage needs is not here."""


class Failed(Exception):
    """A stage measured something that must not be."""

    def __init__(self, message: str, facts: dict[str, Any]) -> None:
        super().__init__(message)
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Check:
    """The device, the files, and how much is done."""

    device: str
    folder: Path
    """For what stages leave for each other."""
    models: Path = Path("triton_repo")
    weights: Path = Path("training/checkpoints/tiny")
    """The checkpoint that the models were exported from."""
    steps: int = 60
    size: int = 224
    """Height and width of the training scenes, in pixels."""
    scenes: int = 16
    runs: int = 30
    """Timed runs of an engine at each batch size."""

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return torch.device(self.device).type == "cuda"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage found: in a line, and as numbers."""

    message: str
    facts: dict[str, Any] = field(default_factory=dict)


def machine(check: Check) -> Outcome:
    """Say what the device is; it has to be usable."""
    device = open_device(check.device)
    facts: dict[str, Any] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "providers": onnxruntime.get_available_providers(),
    }
    for package in ("torch", "onnxruntime", "onnxruntime-gpu", "tensorrt"):
        with suppress(PackageNotFoundError):
            facts[package] = version(package)
    if not check.on_gpu:
        return Outcome(f"{facts['processor']}, torch {torch.__version__}", facts)
    properties = torch.cuda.get_device_properties(device)
    facts |= {
        "gpu": properties.name,
        "gpu_mib": properties.total_memory // 2**20,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "driver": _driver(),
    }
    return Outcome(f"{facts['gpu']}, driver {facts['driver']}, torch {torch.__version__}", facts)


def _driver() -> str:
    with suppress(OSError, subprocess.CalledProcessError):
        question = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        answer = subprocess.run(question, capture_output=True, text=True, check=True).stdout
        return answer.splitlines()[0].strip()
    return "unknown"


def scenes(check: Check) -> Outcome:
    """Compose training batches, and clips for the engines, from the pack drawn in code."""
    pack = procedural.pack()
    task = Task.of(_experiment(check, "tiny"), pack)
    composed = Composer(pack, "train", size=check.size, seconds=SECONDS)
    tensors = SceneTensors(composed, task.categories, task.tokenizer, 28)
    steps = max(1, check.scenes // BATCH)
    made = batches(tensors, first=0, steps=steps, size=BATCH, workers=0)
    names = [one.name for one in fields(Batch)]
    torch.save(
        [{name: getattr(batch, name) for name in names} for batch in made],
        check.folder / "batches.pt",
    )
    clips = Composer(pack, "val")
    write_clips(check.folder / "clips.npz", (clips.compose(number) for number in range(CLIPS)))
    return Outcome(f"{steps * BATCH} scenes of {check.size} px, {CLIPS} clips")


def _experiment(check: Check, preset: str) -> Experiment:
    return Experiment(
        name="gpu-check",
        preset=preset,
        pack="procedural",
        stages=(Stage(size=check.size, seconds=SECONDS, batch=BATCH, steps=check.steps),),
        warmup_steps=max(1, check.steps // 6),
        decay_share=0.0,
        workers=0,
    )


# Training


def train(check: Check, preset: str) -> Outcome:
    """Take the same steps in float32 and in bfloat16, from random weights of one seed."""
    stored = torch.load(check.folder / "batches.pt", weights_only=True)
    given = [Batch(**batch) for batch in stored]
    facts: dict[str, Any] = {}
    for precision in ("float32", "bfloat16"):
        facts[precision] = _steps(check, preset, precision, given)
    exact, half = (facts[precision]["last"] for precision in ("float32", "bfloat16"))
    facts["apart"] = abs(half - exact) / abs(exact)
    first = facts["bfloat16"]["first"]
    message = (
        f"loss {first:.2f} to {half:.2f}, float32 to {exact:.2f}; "
        f"{facts['bfloat16']['step_ms']:.0f} ms a step, float32 {facts['float32']['step_ms']:.0f}"
    )
    for precision in ("float32", "bfloat16"):
        found = facts[precision]
        if not found["last"] <= LEAST_FALL * found["first"]:  # NaN is too high, too
            raise Failed(f"the loss does not fall in {precision}: {message}", facts)
    if facts["apart"] > MOST_APART:
        raise Failed(f"bfloat16 is {facts['apart']:.0%} apart from float32: {message}", facts)
    return Outcome(message, facts)


def _steps(
    check: Check, preset: str, precision: TrainingPrecision, given: list[Batch]
) -> dict[str, Any]:
    """Return the losses and the time of the steps of a new run."""
    device = open_device(check.device)
    run = start(
        _experiment(check, preset), procedural.pack(), check.folder / "run", device,
        precision=precision, published=False,
    )  # fmt: skip
    objective = TrainingLoss(run.model, run.experiment.losses)
    if check.on_gpu:
        torch.cuda.reset_peak_memory_stats(device)
    losses, seconds = [], []
    for number in range(check.steps):
        began = time.perf_counter()
        losses.append(train_step(run, objective, given[number % len(given)])["total"])
        seconds.append(time.perf_counter() - began)
    some = len(given)
    found = {
        "first": statistics.fmean(losses[:some]),
        "last": statistics.fmean(losses[-some:]),
        "step_ms": 1e3 * statistics.median(seconds[len(seconds) // 4 :]),
        "losses": [round(loss, 4) for loss in losses],
    }
    if check.on_gpu:
        found["peak_mib"] = torch.cuda.max_memory_allocated(device) / 2**20
    return found


# Engines


def convert(check: Check) -> Outcome:
    """Copy the float32 engines and write them in float16."""
    shutil.copytree(check.models, check.folder / Precision.FP32, dirs_exist_ok=True)
    found = variants.write(
        check.folder / Precision.FP32, check.folder / Precision.FP16, Precision.FP16,
        check.folder / "clips.npz", version=open_repository(check.models).version,
    )  # fmt: skip
    worst = max(found, key=lambda deviation: deviation.share)
    return Outcome(f"float16 on the CPU deviates by at most {worst.share:.1e} ({worst.output})")


def build(check: Check, precision: Precision) -> Outcome:
    """Build the TensorRT plans of both engines; each is compared with onnxruntime on the CPU."""
    _require_tensorrt(check)
    records = list(
        plan.build_all(
            check.folder / precision, version=open_repository(check.models).version,
            clips_file=check.folder / "clips.npz", options=CompilationOptions(),
            device=open_device(check.device),
        )
    )  # fmt: skip
    seconds = " and ".join(f"{record.seconds:.0f} s" for record in records)
    facts = {"plans": [record.model_dump(mode="json") for record in records]}
    return Outcome(f"built in {seconds}", facts)


def _require_tensorrt(check: Check) -> None:
    if not check.on_gpu:
        raise NotRun(NO_DEVICE)
    try:
        load("tensorrt")
    except ConfigError as error:
        raise NotRun(error.message) from error


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs the engines, in which precision."""

    name: str
    open: Callable[[Check, EngineSpec, Precision], RunEngine]
    precision: Precision = Precision.FP32


def in_torch(check: Check, spec: EngineSpec, _: Precision) -> RunEngine:
    """Return the model itself as an engine on the device."""
    device = open_device(check.device)
    model = checkpoint.load(check.weights)[0].to(device)

    @torch.no_grad()
    def run(inputs: Arrays) -> list[npt.NDArray[Any]]:
        given = [torch.from_numpy(inputs[tensor.name]).to(device) for tensor in spec.inputs]
        if spec.name == SEGMENTATION:
            return [output.cpu().numpy() for output in model(*given).tensors()]
        return [output.cpu().numpy() for output in model.caption.greedy(Regions(*given))]

    return run


def in_onnx(check: Check, spec: EngineSpec, precision: Precision) -> RunEngine:
    """Return an exported engine in onnxruntime, by its provider for the device."""
    if check.on_gpu:
        if CUDA not in onnxruntime.get_available_providers():
            raise NotRun("onnxruntime has no CUDA provider here: pip install '.[gpu]'")
        onnxruntime.preload_dlls()
    provider = CUDA if check.on_gpu else CPU
    return in_onnxruntime(_engine(check, spec, precision) / MODEL, spec, provider=provider)


def in_plan(check: Check, spec: EngineSpec, precision: Precision) -> RunEngine:
    """Return an engine's TensorRT plan."""
    _require_tensorrt(check)
    built = (_engine(check, spec, precision) / PLAN).read_bytes()
    return plan.in_tensorrt(load("tensorrt"), built, spec, open_device(check.device))


def _engine(check: Check, spec: EngineSpec, precision: Precision) -> Path:
    models = check.folder / precision
    return version_folder(models, spec.name, open_repository(check.models).version)


def parity(check: Check, runtime: Runtime) -> Outcome:
    """Compare both engines with the float32 ones on the CPU, clip by clip and all at once."""
    facts: dict[str, Any] = {}
    for spec, inputs in _inputs(check).items():
        for deviation in deviations(
            spec, _exact(check, spec), runtime.open(check, spec, runtime.precision),
            clips=[*inputs, _together(inputs)], allowed=TOLERANCES[runtime.precision],
        ):  # fmt: skip
            facts[deviation.output] = {"share": deviation.share, "allowed": deviation.allowed}
    worst = max(facts, key=lambda output: facts[output]["share"] / facts[output]["allowed"])
    share, allowed = facts[worst]["share"], facts[worst]["allowed"]
    return Outcome(f"deviates by at most {share:.1e} of {allowed:g} ({worst})", facts)


def _exact(check: Check, spec: EngineSpec) -> RunEngine:
    """Return the float32 engine in onnxruntime, on the CPU."""
    return in_onnxruntime(_engine(check, spec, Precision.FP32) / MODEL, spec)


def latency(check: Check, runtime: Runtime) -> Outcome:
    """Time both engines at one clip or region, and at eight; inputs and outputs are on the CPU."""
    facts: dict[str, Any] = {}
    for spec, inputs in _inputs(check).items():
        run = runtime.open(check, spec, runtime.precision)
        everything = _together(inputs)
        given = {count: {k: v[:count] for k, v in everything.items()} for count in (1, 8)}
        things = {f"{spec.name} x{count}": partial(run, given[count]) for count in given}
        for timing in measure(things, runs=check.runs, warm_up=min(5, check.runs)):
            facts[timing.name] = {"p50_ms": timing.p50, "p95_ms": timing.p95}
    p50 = ", ".join(f"{name.removeprefix('ssu_')} {facts[name]['p50_ms']:.1f}" for name in facts)
    return Outcome(f"p50, ms: {p50}", facts)


def memory(check: Check, runtime: Runtime) -> Outcome:
    """Run mixed shapes again and again: the used memory must not grow once all were seen."""
    if not check.on_gpu:
        raise NotRun(NO_DEVICE)
    device = open_device(check.device)
    manifest = _manifest(check)
    windows = [
        {"b": clips, "t": frames}
        for clips in (1, 2, 5, BATCHING[SEGMENTATION].largest)
        for frames in (1, 4, manifest.window_frames)
    ]
    regions = [{"n": count} for count in (1, 3, 17, 40, BATCHING[CAPTION].largest)]
    given: list[tuple[RunEngine, Arrays]] = []
    for spec, sizes in zip(engines(manifest.dimensions), (windows, regions), strict=True):
        run = runtime.open(check, spec, runtime.precision)
        given += [(run, example_inputs(spec, 1, **size)) for size in sizes]
    used = []
    for number in range(MEMORY_ROUNDS):
        for run, inputs in random.Random(number).sample(given, len(given)):
            run(inputs)
        torch.cuda.synchronize(device)
        free, total = torch.cuda.mem_get_info(device)
        used.append((total - free) / 2**20)
    growth = used[-1] - used[1]
    facts = {"used_mib": used, "growth_mib": growth, "shapes": len(given)}
    message = f"{used[0]:.0f} MiB, then {growth:+.0f} over {len(given)} shapes"
    if growth > MOST_GROWTH_MIB:
        raise Failed(f"the memory grows: {message}", facts)
    return Outcome(message, facts)


def _manifest(check: Check) -> Manifest:
    return open_repository(check.models).manifest


def _inputs(check: Check) -> dict[EngineSpec, list[Arrays]]:
    """Return representative inputs of both engines."""
    segmentation, captions = engines(_manifest(check).dimensions)
    clips = read_clips(check.folder / "clips.npz", segmentation)
    regions = surest_regions(segmentation, _exact(check, segmentation), clips)
    return {segmentation: clips, captions: regions}


def _together(inputs: list[Arrays]) -> Arrays:
    """Return all inputs as one batch."""
    return {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}
