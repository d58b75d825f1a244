"""The Triton model repository: every config.pbtxt is written from the contract, none by hand."""

from __future__ import annotations

from pathlib import Path

from ssuformer.contract import EngineSpec, TensorSpec

DATA_TYPES = {"uint8": "TYPE_UINT8", "int64": "TYPE_INT64", "float32": "TYPE_FP32"}
CONFIG = "config.pbtxt"
MODEL = "model.onnx"
MAX_BATCH = {"ssu_segmentation": 8, "ssu_caption": 64}
QUEUE_DELAY_MICROSECONDS = 1000

_TEMPLATE = """\
# Written by `python -m model_export`; changes by hand are lost.
name: "{name}"
platform: "onnxruntime_onnx"
max_batch_size: {max_batch}
input [
{inputs}
]
output [
{outputs}
]
dynamic_batching {{ max_queue_delay_microseconds: {delay} }}
instance_group [ {{ kind: KIND_CPU, count: 1 }} ]
"""


def config_text(spec: EngineSpec) -> str:
    """Return the config.pbtxt of an engine; the first axis of every tensor is Triton's batch."""
    return _TEMPLATE.format(
        name=spec.name,
        max_batch=MAX_BATCH[spec.name],
        inputs=",\n".join(_tensor(tensor) for tensor in spec.inputs),
        outputs=",\n".join(_tensor(tensor) for tensor in spec.outputs),
        delay=QUEUE_DELAY_MICROSECONDS,
    )


def _tensor(tensor: TensorSpec) -> str:
    dims = ", ".join("-1" if isinstance(axis, str) else str(axis) for axis in tensor.axes[1:])
    return f'  {{ name: "{tensor.name}", data_type: {DATA_TYPES[tensor.dtype]}, dims: [ {dims} ] }}'


def model_folder(repository: Path, spec: EngineSpec, version: int) -> Path:
    """Return the folder of one version of an engine, made if it is missing."""
    folder = repository / spec.name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def write_config(repository: Path, spec: EngineSpec) -> None:
    """Write the engine's config.pbtxt."""
    (repository / spec.name / CONFIG).write_text(config_text(spec))
