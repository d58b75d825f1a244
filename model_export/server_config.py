"""Generate the config.pbtxt of every Triton model from the contract.

`config.pbtxt` serves the ONNX graph on the CPU. Its variants are in `configs/` and are selected for
all models at once by `tritonserver --model-config-name=NAME`; for an unknown name Triton silently
uses `config.pbtxt`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ssuformer.contract import CAPTION, SEGMENTATION, EngineSpec, TensorSpec
from ssuformer.errors import ConfigError
from ssuformer.manifest import Manifest
from ssuformer.repository import (
    CONFIG,
    MODEL,
    PLAN,
    VARIANTS,
    WEIGHTS,
    read_manifests,
    staged_folder,
    version_folder,
    weights_parameter,
)

DATA_TYPES = {"uint8": "TYPE_UINT8", "int64": "TYPE_INT64", "float32": "TYPE_FP32"}


@dataclass(frozen=True, slots=True)
class Batching:
    """Maximum batch size along the contract's first axis, and queue size.

    Requests share a batch only if all their other axes are equal: segmentations for windows of
    equal t, captions always. `allow_ragged_batch` does not help with other t: it passes
    the backend one concatenated list of frames, but the graph needs the rectangle [b t ...].
    """

    largest: int
    preferred: tuple[int, ...]
    waiting: int


BATCHING = {
    SEGMENTATION: Batching(largest=8, preferred=(4, 8), waiting=64),
    CAPTION: Batching(largest=64, preferred=(32, 64), waiting=128),
}
KEPT_VERSIONS = 3
"""Versions that a server keeps loaded: the one in service, a newer one that the gateways refused,
and the one that replaces it."""

QUEUE_DELAY_MICROSECONDS = 1000
"""How long a single request waits for others to form a batch: a percent of the CPU latency."""

QUEUE_TIMEOUT_MICROSECONDS = 30_000_000
"""Maximum time in the queue; a request may set less, not more."""


@dataclass(frozen=True, slots=True)
class ServerVariant:
    """The hardware and runtime the engines run on."""

    name: str
    platform: str
    file: str
    kind: str
    threads: int = 0
    """Threads per inference; 0 (not set) lets onnxruntime use all cores of the host."""
    segmentations: int = 1
    """Concurrent segmentations; captions are batched and need only one instance."""
    accelerated: tuple[str, ...] = ()
    """Engines that onnxruntime runs on TensorRT."""


# Two instances with one thread each process a sixth more clips per second than one with two, and
# captions are faster on one thread than on two.
CPU = ServerVariant("onnx-cpu", "onnxruntime_onnx", MODEL, "KIND_CPU", threads=1, segmentations=2)
SERVER_VARIANTS = (
    ServerVariant("onnx-cuda", "onnxruntime_onnx", MODEL, "KIND_GPU", threads=1),
    # The caption graph is one loop, which would be split into many small TensorRT subgraphs.
    ServerVariant(
        "onnx-cuda-tensorrt",
        "onnxruntime_onnx",
        MODEL,
        "KIND_GPU",
        threads=1,
        accelerated=(SEGMENTATION,),
    ),
    ServerVariant("tensorrt", "tensorrt_plan", PLAN, "KIND_GPU"),
)
"""The variants of `CPU`."""

_TEMPLATE = """\
# Written by `python -m model_export` for the profile {profile}; changes by hand are lost.
name: "{name}"
platform: "{platform}"
default_model_filename: "{file}"
version_policy {{ latest {{ num_versions: {kept} }} }}
max_batch_size: {largest}
input [
{inputs}
]
output [
{outputs}
]
instance_group [ {{ kind: {kind}, count: {instances} }} ]
dynamic_batching {{
  preferred_batch_size: [ {preferred} ]
  max_queue_delay_microseconds: {delay}
  default_queue_policy {{
    timeout_action: REJECT
    default_timeout_microseconds: {timeout}
    allow_timeout_override: true
    max_queue_size: {waiting}
  }}
}}
response_cache {{ enable: false }}
{optimization}{parameters}
model_warmup [
{warmup}
]
"""

_TENSORRT = """\
optimization { execution_accelerators { gpu_execution_accelerator [ {
  name: "tensorrt"
  parameters { key: "max_workspace_size_bytes" value: "1073741824" }
  parameters { key: "trt_engine_cache_enable" value: "1" }
  parameters { key: "trt_engine_cache_path" value: "/tmp/tensorrt-engines" }
} ] } }
"""


def config_text(
    spec: EngineSpec, manifests: Mapping[int, Manifest], variant: ServerVariant = CPU
) -> str:
    """Return the configuration of an engine; the first axis of every tensor is Triton's batch.

    The manifests are those of the versions in the repository, by version number.
    """
    batching = BATCHING[spec.name]
    parameters = {
        weights_parameter(number): manifests[number].digests[WEIGHTS]
        for number in sorted(manifests)[-KEPT_VERSIONS:]
    }
    if variant.threads:
        parameters["intra_op_thread_count"] = str(variant.threads)
    return _TEMPLATE.format(
        profile=variant.name,
        name=spec.name,
        platform=variant.platform,
        file=variant.file,
        kept=KEPT_VERSIONS,
        kind=variant.kind,
        instances=variant.segmentations if spec.name == SEGMENTATION else 1,
        largest=batching.largest,
        preferred=", ".join(map(str, batching.preferred)),
        waiting=batching.waiting,
        delay=QUEUE_DELAY_MICROSECONDS,
        timeout=QUEUE_TIMEOUT_MICROSECONDS,
        inputs=",\n".join(_tensor(tensor) for tensor in spec.inputs),
        outputs=",\n".join(_tensor(tensor) for tensor in spec.outputs),
        optimization=_TENSORRT if spec.name in variant.accelerated else "",
        parameters="\n".join(
            f'parameters {{ key: "{key}" value: {{ string_value: "{value}" }} }}'
            for key, value in parameters.items()
        ),
        # The smallest and the largest batch: compilation and allocation by shape then cover
        # all sizes between them.
        warmup=",\n".join(
            (
                _warmup(spec, "smallest", batch=1, frames=1),
                _warmup(
                    spec,
                    "largest",
                    batch=max(batching.preferred),
                    frames=max(manifest.window_frames for manifest in manifests.values()),
                ),
            )
        ),
    )


def _tensor(tensor: TensorSpec) -> str:
    dims = ", ".join("-1" if isinstance(axis, str) else str(axis) for axis in tensor.axes[1:])
    return f'  {{ name: "{tensor.name}", data_type: {DATA_TYPES[tensor.dtype]}, dims: [ {dims} ] }}'


def _warmup(spec: EngineSpec, name: str, *, batch: int, frames: int) -> str:
    """Return a warm-up of this batch size; zeros, as Triton's random floats are random bytes."""
    lines = [f'  {{ name: "{name}", batch_size: {batch}']
    for tensor in spec.inputs:
        dims = ", ".join(str(frames if axis == "t" else axis) for axis in tensor.axes[1:])
        value = f"data_type: {DATA_TYPES[tensor.dtype]}, dims: [ {dims} ], zero_data: true"
        lines.append(f'    inputs {{ key: "{tensor.name}" value: {{ {value} }} }}')
    return "\n".join([*lines, "  }"])


def config_paths(repository: Path, spec: EngineSpec) -> dict[Path, ServerVariant]:
    """Return the path of each variant's configuration of an engine."""
    folder = repository / spec.name
    variants = {folder / VARIANTS / f"{variant.name}.pbtxt": variant for variant in SERVER_VARIANTS}
    return {folder / CONFIG: CPU} | variants


@contextmanager
def staging(
    repository: Path, specs: Sequence[EngineSpec], version: int
) -> Iterator[dict[EngineSpec, Path]]:
    """Give each engine an empty folder that servers ignore; what is not published is deleted."""
    folders = {spec: staged_folder(repository, spec.name, version) for spec in specs}
    try:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield folders
    finally:
        for folder in folders.values():
            shutil.rmtree(folder, ignore_errors=True)


def publish(repository: Path, specs: Sequence[EngineSpec], version: int) -> None:
    """Move the staged version into place as a whole while servers poll the repository.

    Raises ConfigError if a version there has other tensors: one config.pbtxt is for all versions.
    """
    staged = {spec: staged_folder(repository, spec.name, version) for spec in specs}
    manifests = {
        spec: read_manifests(repository, spec.name) | {version: Manifest.read(folder)}
        for spec, folder in staged.items()
    }
    for spec, labels in manifests.items():
        for number, other in labels.items():
            if other.dimensions != labels[version].dimensions:
                raise ConfigError(
                    f"version {number} of {spec.name} in {repository} has tensors of other shapes "
                    f"than version {version}; export into a separate repository"
                )
    # Digests are written before the weights: a server must not load unverified weights.
    for spec, labels in manifests.items():
        write_configs(repository, spec, labels)
    for spec, folder in staged.items():
        place = version_folder(repository, spec.name, version)
        shutil.rmtree(place, ignore_errors=True)
        folder.rename(place)


def write_configs(repository: Path, spec: EngineSpec, manifests: Mapping[int, Manifest]) -> None:
    """Write the engine's config.pbtxt and its variants for these versions."""
    for path, variant in config_paths(repository, spec).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = config_text(spec, manifests, variant)
        if not path.is_file() or path.read_text() != text:
            written = path.with_suffix(".new")
            written.write_text(text)
            written.rename(path)
