"""Checkpoint folders: safetensors, the model's config and a manifest. Nothing is pickled."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ssuformer.errors import ConfigError, wrong_fields
from ssuformer.manifest import Manifest, digest
from ssuformer.model.config import ModelConfig
from ssuformer.model.ssuformer import SSUFormer
from ssuformer.repository import WEIGHTS

CONFIG = "config.json"


def save(folder: Path, config: ModelConfig, weights: dict[str, Tensor], manifest: Manifest) -> None:
    """Write a checkpoint folder; the manifest gets the digest of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / WEIGHTS)
    (folder / CONFIG).write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
    digests = {WEIGHTS: digest(folder / WEIGHTS)}
    manifest.model_copy(update={"digests": digests}).write(folder)


def load(folder: Path) -> tuple[SSUFormer, Manifest]:
    """Return the model of a checkpoint folder, in evaluation mode, and its manifest.

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
    model = SSUFormer(config.model_copy(update={"vision_weights": None}))
    model.load_state_dict(weights)
    return model.eval(), manifest
