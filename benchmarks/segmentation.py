"""The segmentation engine on five frames with five seconds of sound: torch eager, onnxruntime.

python -m benchmarks.segmentation --threads 1
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import onnxruntime
import torch
import typer

from benchmarks.timing import measure, report
from model_export.graph import SegmentationGraph
from model_export.to_onnx import example_inputs
from ssuformer.contract import segmentation_engine
from ssuformer.model import checkpoint
from ssuformer.repository import MODEL, version_folder


def main(
    checkpoint_folder: Annotated[Path, typer.Argument()] = Path("training/checkpoints/small"),
    models: Path = Path("triton_repo"),
    threads: int = 1,
    frames: int = 5,
    runs: int = 30,
) -> None:
    """Time the model in torch and its exported graph, in one run."""
    torch.set_num_threads(threads)
    model, manifest = checkpoint.load(checkpoint_folder)
    spec = segmentation_engine(manifest.dimensions)
    inputs = example_inputs(spec, 0, b=1, t=frames)
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    graph = SegmentationGraph(model).eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    file = version_folder(models, spec.name, 1) / MODEL
    session = onnxruntime.InferenceSession(file, options)

    def eager() -> None:
        with torch.inference_mode():
            graph(*tensors)

    timings = measure(
        {"torch eager": eager, "onnxruntime": lambda: session.run(None, inputs)}, runs=runs
    )
    report(f"{frames} frames, {threads} thread(s)", timings, threads=threads, frames=frames)


if __name__ == "__main__":
    typer.run(main)
