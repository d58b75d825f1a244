"""Representative clips for calibrating quantisation and for comparing engines.

They come from one .npz file, the inputs of the segmentation engine by name with clips as the first
axis: `frames` uint8 [b t 224 224 3] and `waveform` float32 [b t 16000].
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_export.parity import RunEngine
from model_export.to_onnx import Arrays
from ssuformer.contract import EngineSpec, TensorSpec
from ssuformer.errors import ConfigError

LEAST_CLIPS = 2
"""One for calibration, one for evaluation."""


def read_clips(path: Path, spec: EngineSpec) -> list[Arrays]:
    """Return the clips of a file, each as a batch of one; raises ConfigError for bad tensors."""
    try:
        with np.load(path) as file:
            arrays = {tensor.name: file[tensor.name] for tensor in spec.inputs}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} does not contain valid clips: {error}") from error
    for tensor in spec.inputs:
        _check(path, tensor, arrays[tensor.name])
    count = min(len(array) for array in arrays.values())
    if count < LEAST_CLIPS:
        raise ConfigError(f"{path} contains too few clips", limit=LEAST_CLIPS, actual=count)
    return [
        {name: array[number : number + 1] for name, array in arrays.items()}
        for number in range(count)
    ]


def _check(path: Path, tensor: TensorSpec, array: npt.NDArray[Any]) -> None:
    fits = array.dtype == tensor.dtype and len(array.shape) == len(tensor.axes)
    if not fits or any(
        axis not in (size, *"bt") for axis, size in zip(tensor.axes, array.shape, strict=True)
    ):
        raise ConfigError(
            f"{tensor.name} in {path} is {array.dtype}{array.shape}",
            limit=f"{tensor.dtype}{tensor.axes}",
        )


def surest_regions(spec: EngineSpec, run: RunEngine, clips: list[Arrays]) -> list[Arrays]:
    """Return inputs of the caption engine: from every frame the region with the highest score."""
    names = [tensor.name for tensor in spec.outputs]
    regions = []
    for clip in clips:
        found = dict(zip(names, run(clip), strict=True))
        surest = found["sounding_probability"][0].argmax(axis=-1)
        regions.append(
            {
                "region_tokens": found["region_tokens"][0, np.arange(len(surest)), surest],
                "scene_prompt": found["scene_prompt"][0],
                "source_prompt": found["source_prompt"][0],
            }
        )
    return regions
