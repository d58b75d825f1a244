"""Pictures as SAM 2.1 takes them, and masks of what it gives.

Needs torch, which the service does not. Transformers' own processors would need torchvision, too.

Axes: h w pixels of the picture, s s those that the network takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from service.studio.tools.prompt import Mask, Picture
from ssuformer.errors import ConfigError

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def loaded(kind: Any, folder: Path) -> Any:  # noqa: ANN401
    """Return a model of transformers with the weights of a folder; ConfigError without any.

    Nothing is downloaded.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder with SAM 2.1's weights")
    try:
        return kind.from_pretrained(folder, local_files_only=True).eval()
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(f"{folder}: SAM 2.1 cannot be loaded: {error}") from error


def side_of(model: Any) -> int:  # noqa: ANN401
    """Return the pixels of each side of what a model takes."""
    return int(model.config.prompt_encoder_config.image_size)


def to_network(picture: Picture, side: int) -> Tensor:
    """Return a picture `[h w 3]` as the network takes it, `[1 3 s s]`."""
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_LINEAR)
    scaled = (np.asarray(small, np.float32) / 255 - _MEAN) / _STD
    return torch.from_numpy(scaled.astype(np.float32).transpose(2, 0, 1)[None])


def to_mask(logits: Tensor, *, height: int, width: int) -> Mask:
    """Return the mask `[h w]` of a network's logits, square and smaller."""
    whole = F.interpolate(logits[None, None].float(), (height, width), mode="bilinear")
    return np.asarray(whole[0, 0].numpy() > 0, bool)
