"""Checkpoint folders: safetensors, the model's config and a manifest. Nothing is pickled.

Large weights are stored in float16; the model computes in float32.
"""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ssuformer.errors import ConfigError, wrong_fields
from ssuformer.manifest import Manifest, digest
from ssuformer.model.config import ModelConfig
from ssuformer.model.family import build
from ssuformer.model.sound_source_model import SoundSourceModel
from ssuformer.repository import WEIGHTS
from ssuformer.whole import whole_folder

CONFIG = "config.json"

LEAST_INPUTS = 64
"""Inputs of a weight's outputs from which it is stored in float16.

Rounding errors of a long sum cancel. Biases, norms, their running statistics and depthwise kernels
have 3 % of the values of `small`, and rounding them shifts masks more than rounding all the others.
"""
_ROUNDING = 2.0**-11
"""Largest relative error of a normal float16."""


def save(folder: Path, config: ModelConfig, weights: dict[str, Tensor], manifest: Manifest) -> None:
    """Write a checkpoint folder as a whole; the manifest gets the digest of the weights.

    What else is in a folder that is replaced goes with it.
    """
    tensors = {name: stored(tensor).contiguous() for name, tensor in weights.items()}
    with whole_folder(folder) as part:
        save_file(tensors, part / WEIGHTS)
        (part / CONFIG).write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
        digests = {WEIGHTS: digest(part / WEIGHTS)}
        manifest.model_copy(update={"digests": digests}).write(part)


def stored(weight: Tensor) -> Tensor:
    """Return a weight as it is stored: in float16 if it is large and none of it overflows."""
    if weight.dtype != torch.float32 or weight.ndim < 2 or weight[0].numel() < LEAST_INPUTS:
        return weight
    half = weight.to(torch.float16)
    error = torch.linalg.vector_norm(half.float() - weight)
    # Infinite where a value overflows, and too large where most vanish.
    return half if error <= _ROUNDING * torch.linalg.vector_norm(weight) else weight


def load(folder: Path) -> tuple[SoundSourceModel, Manifest]:
    """Return the float32 model of a checkpoint folder, in evaluation mode, and its manifest.

    Raises ConfigError if a file is missing, damaged, or does not match the others.
    """
    manifest = Manifest.read(folder)
    try:
        config = ModelConfig.model_validate_json((folder / CONFIG).read_bytes())
        weights = load_file(folder / WEIGHTS)
    except ValidationError as error:
        raise ConfigError(
            f"{folder / CONFIG} is not a model's config: {wrong_fields(error)}"
        ) from error
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{folder} is not a complete checkpoint: {error}") from error
    found, stated = digest(folder / WEIGHTS), manifest.digests.get(WEIGHTS)
    if found != stated:
        raise ConfigError(f"{folder / WEIGHTS} has digest {found}, its manifest says {stated}")
    model = build(config.model_copy(update={"vision_weights": None}))
    model.load_state_dict(weights)
    return model.eval(), manifest
