"""A model small enough to be asked often."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ssuformer.contract import SAMPLE_RATE
from ssuformer.model.config import ModelConfig
from ssuformer.model.family import build
from ssuformer.model.sound_source_model import SoundSourceModel


def small_config(**changes: object) -> ModelConfig:
    sizes = {
        "vision_widths": (8, 16, 24, 32),
        "channels": 32,
        "heads": 2,
        "pixel_channels": 8,
        "queries": 4,
        "detail_tokens": 2,
        "caption_layers": 2,
        "caption_tokens": 12,
        "categories": 6,
        "vocabulary": 40,
    }
    return ModelConfig.model_validate(sizes | changes)


def small_model(**changes: object) -> SoundSourceModel:
    torch.manual_seed(0)
    return build(small_config(**changes))


def clips(b: int, t: int, size: int = 64, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = np.random.default_rng(seed)
    frames = generator.integers(0, 256, (b, t, size, size, 3), dtype=np.uint8)
    waveform = generator.normal(0, 0.2, (b, t, SAMPLE_RATE)).astype(np.float32)
    return torch.from_numpy(frames), torch.from_numpy(waveform)
