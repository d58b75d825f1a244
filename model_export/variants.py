"""`python -m model_export variants triton_repo --precision fp16`: engines of lower precision.

They are made from the exported float32 engines, which were already verified against the model,
and are written to a separate model repository. Use of each:

fp16          NVIDIA GPUs, through TensorRT or CUDA; half the size
bf16          NVIDIA GPUs since Ampere, through TensorRT: float32's range, less precision
int8          NVIDIA GPUs, through TensorRT: static, symmetric; captions as fp16
fp8           NVIDIA GPUs since Ada, through TensorRT: the ranges of int8; captions as fp16
int8-dynamic  onnxruntime on a CPU: products of the segmentation engine; captions stay float32
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import onnx
import onnx_ir as ir
import typer
from rich.console import Console
from rich.table import Table

from model_export import server_config, to_onnx
from model_export.calibration import read_clips, surest_regions
from model_export.float8 import quantize_to_float8
from model_export.float16 import round_as_bfloat16, to_float16
from model_export.parity import Deviation, RunEngine, Tolerance, deviations, in_onnxruntime
from model_export.quantized import quantize, quantize_on_the_fly
from model_export.storage import load_float32, store_as_float16
from model_export.to_onnx import Arrays
from ssuformer.contract import SEGMENTATION, EngineSpec, engines
from ssuformer.errors import ConfigError, ParityError
from ssuformer.manifest import Manifest, digest
from ssuformer.repository import MODEL, read_manifests, version_folder
from ssuformer.terminal import told

PRECISION = "precision"
"""The metadata key of an ONNX file for its precision; missing means float32."""


class Precision(StrEnum):
    """Precision in which an engine computes."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"
    FP8 = "fp8"
    INT8_DYNAMIC = "int8-dynamic"


TOLERANCES = {
    Precision.FP32: Tolerance(numbers=0.02, sentences=0.1),
    Precision.FP16: Tolerance(numbers=0.02, sentences=0.1),
    Precision.BF16: Tolerance(numbers=0.1, sentences=0.15),
    Precision.INT8: Tolerance(numbers=0.25, sentences=0.1),
    Precision.FP8: Tolerance(numbers=0.4, sentences=0.1),
    Precision.INT8_DYNAMIC: Tolerance(numbers=0.2, sentences=0.1),
}
"""Limits that only a broken engine exceeds; a variant's loss of J is measured on scenes.

A GPU multiplies float32 as TF32, with the same mantissa as float16: hence the first.
"""

Conversion = Callable[[Path, Path, Sequence[Arrays]], None]
"""Writes an engine from one whose weights are stored in float32, calibrated on clips."""


def _halve(source: Path, target: Path, _: Sequence[Arrays]) -> None:
    model = ir.load(source)
    to_float16(model)
    ir.save(model, target)


def _halve_to_bfloat16(source: Path, target: Path, _: Sequence[Arrays]) -> None:
    model = ir.load(source)
    to_float16(model, ir.DataType.BFLOAT16)
    ir.save(model, target)


def _to_float8(source: Path, target: Path, clips: Sequence[Arrays]) -> None:
    with TemporaryDirectory() as folder:
        int8 = Path(folder) / source.name
        quantize(source, int8, clips)
        quantize_to_float8(int8, source, target)


def _keep(source: Path, target: Path, _: Sequence[Arrays]) -> None:
    model = onnx.load(source)
    store_as_float16(model.graph, {})
    onnx.save(model, target)


def _on_the_fly(source: Path, target: Path, _: Sequence[Arrays]) -> None:
    quantize_on_the_fly(source, target)


CONVERSIONS: dict[Precision, tuple[Conversion, Conversion]] = {
    Precision.FP16: (_halve, _halve),
    Precision.BF16: (_halve_to_bfloat16, _halve_to_bfloat16),
    Precision.INT8: (quantize, _halve),
    Precision.FP8: (_to_float8, _halve),
    Precision.INT8_DYNAMIC: (_on_the_fly, _keep),
}
"""For each precision, the converters of the segmentation engine and of the caption engine."""


def precision_of(path: Path) -> Precision:
    """Return the precision stated in an ONNX file."""
    properties = onnx.load(path, load_external_data=False).metadata_props
    return Precision({p.key: p.value for p in properties}.get(PRECISION, Precision.FP32))


def as_written(path: Path, spec: EngineSpec, precision: Precision) -> RunEngine:
    """Return an engine of this precision as a function on this machine's CPU.

    onnxruntime has no bfloat16 there, and its optimisations of float8 give wrong results.
    """
    if precision != Precision.BF16:
        return in_onnxruntime(path, spec, literal=precision == Precision.FP8)
    model = ir.load(path)
    round_as_bfloat16(model)
    with TemporaryDirectory() as folder:
        ir.save(model, Path(folder) / path.name)
        return in_onnxruntime(Path(folder) / path.name, spec, literal=True)


def write(
    models: Path, out: Path, precision: Precision, clips_file: Path, *, version: int = 1
) -> list[Deviation]:
    """Write both engines of `models` in another precision to `out`, and return their deviations.

    Every other clip is used for calibration, the rest for the deviations; an engine that deviates
    too much is deleted and ParityError raised.
    """
    exact = version_folder(models, SEGMENTATION, version)
    manifest = Manifest.read(exact)
    if precision not in CONVERSIONS or out.resolve() == models.resolve():
        raise ConfigError(f"engines in {precision} cannot be written to {out} from {models}")
    if (already := precision_of(exact / MODEL)) != Precision.FP32:
        raise ConfigError(f"{models} is {already} already; use float32 engines as input")
    segmentation, captions = engines(manifest.dimensions)
    clips = read_clips(clips_file, segmentation)
    run = in_onnxruntime(exact / MODEL, segmentation)
    regions = surest_regions(segmentation, run, clips)
    found = []
    for spec, inputs, convert in zip(
        (segmentation, captions), (clips, regions), CONVERSIONS[precision], strict=True
    ):
        source = version_folder(models, spec.name, version)
        target = version_folder(out, spec.name, version)
        target.mkdir(parents=True, exist_ok=True)
        path = target / MODEL
        with TemporaryDirectory() as folder:
            wide = Path(folder) / MODEL
            onnx.save(load_float32(source / MODEL), wide)
            convert(wide, path, inputs[::2])
        _label(source, target, precision)
        try:
            found += deviations(
                spec,
                in_onnxruntime(source / MODEL, spec),
                as_written(path, spec, precision),
                clips=inputs[1::2],
                allowed=TOLERANCES[precision],
            )
        except ParityError:
            path.unlink()
            raise
        server_config.write_configs(out, spec, read_manifests(out, spec.name))
    return found


def _label(source: Path, target: Path, precision: Precision) -> None:
    """Write the precision into the ONNX file, and copy the source's manifest."""
    path = target / MODEL
    model = onnx.load(path)
    model.metadata_props.add(key=PRECISION, value=precision)
    to_onnx.save(model, path)
    manifest = Manifest.read(source)
    digests = manifest.digests | {path.name: digest(path)}
    manifest.model_copy(update={"digests": digests}).write(target)


def variants(
    models: Annotated[Path, typer.Argument(help="A model repository of float32 engines.")],
    out: Annotated[Path, typer.Option(help="The model repository to write.")],
    precision: Annotated[Precision, typer.Option(help="Precision of the engines.")],
    clips: Annotated[
        Path, typer.Option(help="Representative clips: `python -m training clips FILE.npz`.")
    ],
    version: Annotated[int, typer.Option(min=1, help="The version to convert.")] = 1,
) -> None:
    """Write both engines in another precision, and print their deviation from the float32 ones.

    Example: `python -m model_export variants triton_repo --out fp16 --precision fp16 --clips c.npz`
    """
    console = Console()
    with told():
        found = write(models, out, precision, clips, version=version)
    table = Table("output", "mean difference / mean", "allowed")
    for deviation in found:
        table.add_row(deviation.output, f"{deviation.share:.1e}", f"{deviation.allowed:.1e}")
    console.print(table)
