"""`python -m model_export export`: a checkpoint as two engines, compared with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from torch import nn

from model_export import parity, server_config, to_onnx
from model_export.graph import CaptionGraph, SegmentationGraph
from ssuformer.contract import EngineSpec, caption_engine, segmentation_engine
from ssuformer.manifest import Manifest, digest
from ssuformer.model import checkpoint
from ssuformer.repository import MODEL
from ssuformer.terminal import told

SEGMENTATION_SIZES = ({"b": 1, "t": 1}, {"b": 1, "t": 5}, {"b": 2, "t": 1}, {"b": 2, "t": 5})
CAPTION_SIZES = ({"n": 1}, {"n": 7})


def export(
    folder: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A checkpoint folder.")],
    out: Annotated[Path, typer.Option(help="The model repository to write into.")],
    version: Annotated[
        int, typer.Option(min=1, help="The version's number in the repository.")
    ] = 1,
) -> None:
    """Export a checkpoint as the engines ssu_segmentation and ssu_caption, and verify them.

    Example: `python -m model_export export training/checkpoints/small --out triton_repo`
    """
    console = Console()
    with told():
        differences = export_engines(folder, out, version, console)
    table = Table("output", "sizes", "largest difference", "allowed")
    for d in differences:
        table.add_row(d.output, d.sizes, f"{d.largest:.1e}", f"{d.allowed:.1e}")
    console.print(table)


def export_engines(
    folder: Path, out: Path, version: int, console: Console
) -> list[parity.Difference]:
    """Write both engines of a checkpoint and return their differences from the model."""
    model, manifest = checkpoint.load(folder)
    size = manifest.dimensions
    engines: tuple[tuple[nn.Module, EngineSpec, tuple[dict[str, int], ...]], ...] = (
        (SegmentationGraph(model), segmentation_engine(size), SEGMENTATION_SIZES),
        (CaptionGraph(model), caption_engine(size), CAPTION_SIZES),
    )
    differences = []
    specs = [spec for _, spec, _ in engines]
    with server_config.staging(out, specs, version) as folders:
        for graph, spec, sizes in engines:
            path = folders[spec] / MODEL
            with console.status(f"writing {spec.name}"):
                to_onnx.export(
                    graph.eval(), spec, path, **{axis: n + 1 for axis, n in sizes[-1].items()}
                )
            with console.status(f"comparing {spec.name} with the model"):
                differences += parity.compare(graph, spec, path, sizes)
            _label(path, manifest)
            console.print(f"{spec.name}: {path.stat().st_size / 2**20:.1f} MiB")
        server_config.publish(out, specs, version)
    return differences


def _label(path: Path, manifest: Manifest) -> None:
    digests = manifest.digests | {path.name: digest(path)}
    manifest.model_copy(update={"digests": digests}).write(path.parent)
