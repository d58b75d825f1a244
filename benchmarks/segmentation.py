"""The segmentation engine on five frames with five seconds of sound: torch eager, onnxruntime.

python -m benchmarks.segmentation --threads 1
python -m benchmarks.segmentation --beside training/checkpoints/tiny
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.sessions import open_session
from benchmarks.timing import measure, report
from model_export.export import export_engines
from model_export.graph import SegmentationGraph
from model_export.to_onnx import example_inputs
from ssuformer.contract import segmentation_engine
from ssuformer.model import checkpoint
from ssuformer.repository import WEIGHTS, open_repository
from ssuformer.terminal import console


def main(
    checkpoint_folder: Annotated[Path, typer.Argument()] = Path("training/checkpoints/small"),
    models: Path = Path("triton_repo"),
    threads: int = 1,
    frames: int = 5,
    runs: int = 30,
    beside: Annotated[
        Path | None,
        typer.Option(
            help="A model repository or a checkpoint, which is exported first: its graph is timed "
            "instead of the model in torch."
        ),
    ] = None,
) -> None:
    """Time the exported graph beside the model in torch or another graph, by turns in one run.

    The last column has the ratio of the medians, to the model in torch or to `--beside`.
    """
    if beside is None:
        first = {"torch eager": _eager(checkpoint_folder, threads=threads, frames=frames)}
    else:
        first = {str(beside): _exported(beside, threads=threads, frames=frames)}
    ways = first | {str(models): _exported(models, threads=threads, frames=frames)}
    timings = measure(ways, runs=runs)
    report(f"{frames} frames, {threads} thread(s)", timings, threads=threads, frames=frames)


def _eager(folder: Path, *, threads: int, frames: int) -> Callable[[], object]:
    torch.set_num_threads(threads)
    model, manifest = checkpoint.load(folder)
    inputs = example_inputs(segmentation_engine(manifest.dimensions), 0, b=1, t=frames)
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    graph = SegmentationGraph(model).eval()

    def run() -> None:
        with torch.inference_mode():
            graph(*tensors)

    return run


def _exported(folder: Path, *, threads: int, frames: int) -> Callable[[], object]:
    """Return an inference of a model repository, or of a checkpoint once it is exported."""
    if (folder / WEIGHTS).exists():
        with tempfile.TemporaryDirectory() as exported:
            export_engines(folder, Path(exported), 1, console(errors=True))
            return _exported(Path(exported), threads=threads, frames=frames)
    files = open_repository(folder)
    session = open_session(files.segmentation, threads=threads)
    inputs = example_inputs(segmentation_engine(files.manifest.dimensions), 0, b=1, t=frames)
    return lambda: session.run(None, inputs)


if __name__ == "__main__":
    typer.run(main)
