"""The family of segmentation models, one file each; `ModelConfig.family` chooses."""

from __future__ import annotations

from ssuformer.model.config import ModelConfig
from ssuformer.model.family.ssuformer import SSUFormer
from ssuformer.model.sound_source_model import SoundSourceModel

FAMILY: dict[str, type[SoundSourceModel]] = {
    "ssuformer": SSUFormer,
}
"""By the name that `ModelConfig.family` gives."""


def build(config: ModelConfig) -> SoundSourceModel:
    """Return the model that `config` names, with random weights."""
    return FAMILY[config.family](config)
