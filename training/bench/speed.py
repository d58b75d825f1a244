"""How long the models of several runs take, in torch and in onnxruntime, by turns in one run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from ssuformer.errors import OptionError, SsuError
from ssuformer.manifest import Manifest
from ssuformer.model import checkpoint as checkpoints
from ssuformer.repository import WEIGHTS, open_repository

FRAMES = 5
"""Frames of a clip, with as many seconds of sound: those of AVSBench."""

ENGINES = ("torch", "onnxruntime")

WARM_UP = 2
"""Turns that are not counted."""

Inputs = tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]


def speeds(
    runs: Mapping[str, Path], device: torch.device, *, turns: int, exported: bool
) -> dict[str, dict[str, list[float]]]:
    """Return for each name the medians `torch_ms`, `torch_fps`, and those of onnxruntime.

    `runs` are folders of finished runs. onnxruntime, if `exported`, runs on the CPU, with as many
    threads as torch.
    """
    ways = {("torch", name): _in_torch(folder, device) for name, folder in runs.items()}
    if exported:
        ways |= {
            ("onnxruntime", name): _in_onnxruntime(export(folder)) for name, folder in runs.items()
        }
    found: dict[str, dict[str, list[float]]] = {name: {} for name in runs}
    for (engine, name), milliseconds in by_turns(ways, turns).items():
        found[name][f"{engine}_ms"] = [milliseconds]
        found[name][f"{engine}_fps"] = [1e3 * FRAMES / milliseconds]
    return found


def by_turns(
    ways: Mapping[tuple[str, str], Callable[[], object]], turns: int
) -> dict[tuple[str, str], float]:
    """Return the median milliseconds of each; all take turns, so that other load meets all."""
    taken: dict[tuple[str, str], list[float]] = {name: [] for name in ways}
    for turn in range(WARM_UP + turns):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if turn >= WARM_UP:
                taken[name].append(1e3 * (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in taken.items()}


def require_export() -> None:
    """Raise OptionError if a package is missing that exporting or onnxruntime needs."""
    missing = [name for name in ("onnxruntime", "onnxscript") if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"{missing[0]} is missing: pip install 'ssuformer[cpu,export]', or --no-export"
        )


def export(folder: Path) -> Path:
    """Return the model repository `exported` of a run; what is of other weights is made again.

    Raises OptionError with the last line of `python -m model_export export` if that fails.
    """
    out = folder / "exported"
    if _digest_of_exported(out) == Manifest.read(folder / "checkpoint").digests[WEIGHTS]:
        return out
    command = ("-m", "model_export", "export", str(folder / "checkpoint"), "--out", str(out))
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        why = said[-1] if said else f"exit code {done.returncode}"
        raise OptionError(f"{folder} cannot be exported ({why}); --no-export leaves it out")
    return out


def _digest_of_exported(repository: Path) -> str | None:
    try:
        return open_repository(repository).digest
    except SsuError:
        return None


def clip() -> Inputs:
    """Return noise as one clip: frames `[1 t h w 3]` and waveform `[1 t 16000]`."""
    noise = np.random.default_rng(0)
    frames = noise.integers(0, 256, (1, FRAMES, FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
    return frames, noise.uniform(-0.1, 0.1, (1, FRAMES, SAMPLE_RATE)).astype(np.float32)


def _in_torch(folder: Path, device: torch.device) -> Callable[[], object]:
    model, _ = checkpoints.load(folder / "checkpoint")
    model.to(device)
    frames, waveform = (torch.from_numpy(array).to(device) for array in clip())

    def run() -> None:
        with torch.inference_mode():
            model(frames, waveform)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


def _in_onnxruntime(repository: Path) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    path = open_repository(repository).segmentation
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    frames, waveform = clip()
    return lambda: session.run(None, {"frames": frames, "waveform": waveform})
