"""What `python -m benchmarks.gpu_check` does on a device, stage by stage.

A stage returns what it found in a line and notes its numbers in `facts`, or raises: `NotRun` with
the reason if something it needs is missing here, anything else if it fails. Stages leave files for
each other in the check's folder:

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
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields
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

MODELS = Path("triton_repo")
WEIGHTS = Path("training/checkpoints/small")
"""The checkpoint that the models were exported from."""

BATCH, SECONDS = 4, 2
CLIPS = 8
CUDA = "CUDAExecutionProvider"
NO_DEVICE = "no CUDA device"

MOST_OF_FIRST = 0.9
"""The last losses over the first: the scenes repeat, so that every working step lowers them."""
MOST_APART = 0.1
"""Relative difference of the last losses in bfloat16 and in float32, from one seed."""
MEMORY_ROUNDS = 6
MOST_GROWTH_MIB = 64
"""Growth of the used GPU memory after every shape has been seen twice."""

Facts = dict[str, Any]


class NotRun(Exception):
    """Something that a stage needs is not here."""


class Failed(Exception):
    """A stage measured something that must not be."""


@dataclass(frozen=True, slots=True)
class Check:
    """The device, the folder for what stages leave for each other, and how much is done."""

    device: str
    folder: Path
    steps: int = 60
    """Training steps in each precision."""
    size: int = 224
    """Height and width of the training scenes, in pixels."""
    batches: int = 4
    """Different ones."""
    runs: int = 30
    """Timed runs of an engine at each batch size."""

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device != "cpu"


def machine(check: Check, facts: Facts) -> str:
    """Say what the device is; it has to be usable."""
    facts |= {"cores": os.cpu_count(), "python": platform.python_version()}
    facts["providers"] = onnxruntime.get_available_providers()
    for package in ("torch", "onnxruntime", "onnxruntime-gpu", "tensorrt"):
        with suppress(PackageNotFoundError):
            facts[package] = version(package)
    if check.on_gpu and not torch.cuda.is_available():
        raise NotRun(NO_DEVICE)
    device = open_device(check.device)
    facts["device"] = torch.cuda.get_device_name(device) if check.on_gpu else platform.machine()
    return f"{facts['device']}, {facts['cores']} cores, torch {facts['torch']}"


def scenes(check: Check, _: Facts) -> str:
    """Compose training batches, and clips for the engines, from the pack drawn in code."""
    pack = procedural.pack()
    task = Task.of(_experiment(check), pack)
    composed = Composer(pack, "train", size=check.size, seconds=SECONDS)
    tensors = SceneTensors(composed, task.categories, task.tokenizer, 28)
    made = batches(tensors, first=0, steps=check.batches, size=BATCH, workers=0)
    names = [one.name for one in fields(Batch)]
    torch.save(
        [{name: getattr(batch, name) for name in names} for batch in made],
        check.folder / "batches.pt",
    )
    clips = Composer(pack, "val")
    write_clips(check.folder / "clips.npz", (clips.compose(number) for number in range(CLIPS)))
    return f"{check.batches * BATCH} scenes of {check.size} px, {CLIPS} clips"


def _experiment(check: Check) -> Experiment:
    return Experiment(
        name="gpu-check",
        preset="small",
        pack="procedural",
        stages=(Stage(size=check.size, seconds=SECONDS, batch=BATCH, steps=check.steps),),
        warmup_steps=max(1, check.steps // 6),
        published=False,
        decay_share=0.0,
        workers=0,
    )


# Training


def train(check: Check, facts: Facts) -> str:
    """Take the same steps in float32 and in bfloat16, from random weights of one seed."""
    stored = torch.load(check.folder / "batches.pt", weights_only=True)
    given = [Batch(**batch) for batch in stored]
    exact = facts["float32"] = _steps(check, "float32", given)
    half = facts["bfloat16"] = _steps(check, "bfloat16", given)
    facts["apart"] = abs(half["last"] - exact["last"]) / abs(exact["last"])
    message = ", ".join(
        f"{name} {found['first']:.2f} to {found['last']:.2f}, {found['step_ms']:.0f} ms a step"
        for name, found in (("float32", exact), ("bfloat16", half))
    )
    for found in (exact, half):
        if not found["last"] <= MOST_OF_FIRST * found["first"]:  # NaN is too high, too
            raise Failed(f"the loss does not fall: {message}")
    if facts["apart"] > MOST_APART:
        raise Failed(f"bfloat16 is {facts['apart']:.0%} apart: {message}")
    return message


def _steps(check: Check, precision: TrainingPrecision, given: list[Batch]) -> Facts:
    """Return the losses and the time of the steps of a new run."""
    device = open_device(check.device)
    run = start(
        _experiment(check), procedural.pack(), check.folder / "run", device,
        precision=precision,
    )  # fmt: skip
    objective = TrainingLoss(run.model, run.experiment.losses)
    losses, seconds = [], []
    for number in range(check.steps):
        began = time.perf_counter()
        losses.append(train_step(run, objective, given[number % len(given)])["total"])
        seconds.append(time.perf_counter() - began)
    return {
        "first": statistics.fmean(losses[: len(given)]),
        "last": statistics.fmean(losses[-len(given) :]),
        "step_ms": 1e3 * statistics.median(seconds[len(seconds) // 4 :]),
        "peak_mib": torch.cuda.max_memory_allocated(device) / 2**20 if check.on_gpu else None,
        "losses": losses,
    }


# Engines


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs the engines, in which precision."""

    name: str
    open: Callable[[Check, EngineSpec, Precision], RunEngine]
    precision: Precision = Precision.FP32


def convert(check: Check, _: Facts) -> str:
    """Copy the float32 engines and write them in float16."""
    exact, half = check.folder / Precision.FP32, check.folder / Precision.FP16
    shutil.copytree(MODELS, exact)
    clips, number = check.folder / "clips.npz", open_repository(MODELS).version
    found = variants.write(exact, half, Precision.FP16, clips, version=number)
    worst = max(found, key=lambda deviation: deviation.share)
    return f"float16 on the CPU deviates by at most {worst.share:.1e} ({worst.output})"


def build(check: Check, facts: Facts, runtime: Runtime) -> str:
    """Build the TensorRT plans of both engines; each is compared with onnxruntime on the CPU."""
    _require_tensorrt(check)
    records = plan.build_all(
        check.folder / runtime.precision, version=open_repository(MODELS).version,
        clips_file=check.folder / "clips.npz", options=CompilationOptions(),
        device=open_device(check.device),
    )  # fmt: skip
    facts["plans"] = [record.model_dump(mode="json") for record in records]
    return "built in " + " and ".join(f"{record['seconds']:.0f} s" for record in facts["plans"])


def _require_tensorrt(check: Check) -> None:
    if not check.on_gpu:
        raise NotRun(NO_DEVICE)
    try:
        load("tensorrt")
    except ConfigError as error:
        raise NotRun(error.message) from error


def in_torch(check: Check, spec: EngineSpec, _: Precision) -> RunEngine:
    """Return the model itself as an engine on the device."""
    device = open_device(check.device)
    model = checkpoint.load(WEIGHTS)[0].to(device)

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
    built = (_engine(check, spec, precision) / PLAN).read_bytes()
    return plan.in_tensorrt(load("tensorrt"), built, spec, open_device(check.device))


def _engine(check: Check, spec: EngineSpec, precision: Precision) -> Path:
    return version_folder(check.folder / precision, spec.name, open_repository(MODELS).version)


def parity(check: Check, facts: Facts, runtime: Runtime) -> str:
    """Compare both engines with the float32 ones on the CPU, clip by clip and all at once."""
    for spec, inputs in _inputs(check).items():
        for deviation in deviations(
            spec, _exact(check, spec), runtime.open(check, spec, runtime.precision),
            clips=[*inputs, _together(inputs)], allowed=TOLERANCES[runtime.precision],
        ):  # fmt: skip
            facts[deviation.output] = {"share": deviation.share, "allowed": deviation.allowed}
    worst = max(facts, key=lambda output: facts[output]["share"] / facts[output]["allowed"])
    share, allowed = facts[worst]["share"], facts[worst]["allowed"]
    return f"deviates by at most {share:.1e} of {allowed:g} ({worst})"


def latency(check: Check, facts: Facts, runtime: Runtime) -> str:
    """Time both engines at one clip or region, and at eight; inputs and outputs are on the CPU."""
    for spec, inputs in _inputs(check).items():
        run = runtime.open(check, spec, runtime.precision)
        everything = _together(inputs)
        things = {
            f"{spec.name} x{count}": partial(run, {k: v[:count] for k, v in everything.items()})
            for count in (1, 8)
        }
        for timing in measure(things, runs=check.runs, warm_up=min(5, check.runs)):
            facts[timing.name] = {"p50_ms": timing.p50, "p95_ms": timing.p95}
    p50 = ", ".join(f"{name.removeprefix('ssu_')} {facts[name]['p50_ms']:.1f}" for name in facts)
    return f"p50, ms: {p50}"


def memory(check: Check, facts: Facts, runtime: Runtime) -> str:
    """Run mixed shapes again and again: the used memory must not grow once all were seen."""
    if not check.on_gpu:
        raise NotRun(NO_DEVICE)
    device = open_device(check.device)
    manifest = open_repository(MODELS).manifest
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
    used = facts["used_mib"] = []
    for number in range(MEMORY_ROUNDS):
        for run, inputs in random.Random(number).sample(given, len(given)):
            run(inputs)
        free, total = torch.cuda.mem_get_info(device)
        used.append((total - free) / 2**20)
    growth = used[-1] - used[1]
    message = f"{used[0]:.0f} MiB, then {growth:+.0f} over {len(given)} shapes"
    if growth > MOST_GROWTH_MIB:
        raise Failed(f"the memory grows: {message}")
    return message


def _exact(check: Check, spec: EngineSpec) -> RunEngine:
    """Return the float32 engine in onnxruntime, on the CPU."""
    return in_onnxruntime(_engine(check, spec, Precision.FP32) / MODEL, spec)


def _inputs(check: Check) -> dict[EngineSpec, list[Arrays]]:
    """Return representative inputs of both engines."""
    segmentation, captions = engines(open_repository(MODELS).manifest.dimensions)
    clips = read_clips(check.folder / "clips.npz", segmentation)
    regions = surest_regions(segmentation, _exact(check, segmentation), clips)
    return {segmentation: clips, captions: regions}


def _together(inputs: list[Arrays]) -> Arrays:
    """Return all inputs as one batch."""
    return {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}
