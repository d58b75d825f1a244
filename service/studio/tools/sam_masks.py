"""Masks by SAM 2.1 (Ravi et al. 2024), from a folder of weights in the form of transformers.

Needs torch and transformers, which the service does not: it is imported by name, when asked for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import Sam2Model

from service.studio.tools.prompt import Box, Mask, Picture, Prompt, box_of
from service.studio.tools.sam_pictures import loaded, side_of, to_mask, to_network


class SamMasks:
    """Masks by a network that a person's marks are an input of."""

    def __init__(self, folder: Path) -> None:
        """Load the weights; ConfigError if the folder holds none. Nothing is downloaded."""
        self._model = loaded(Sam2Model, folder)
        self.name = f"sam2.1:{folder.name}"

    def mask(self, picture: Picture, prompt: Prompt) -> Mask:
        """Return the mask `[h w]`; OptionError if the prompt does not fit the picture."""
        prompt.check(picture)
        height, width = picture.shape[:2]
        side = side_of(self._model)
        given = marks(prompt, (side / width, side / height))
        # A single click may mean a part or the whole: the likeliest of several masks is taken.
        one_click = set(given) == {"input_points", "input_labels"} and len(prompt.points) == 1
        with torch.inference_mode():
            found = self._model(
                pixel_values=to_network(picture, side), **given, multimask_output=one_click
            )
        best = int(found.iou_scores.flatten().argmax())
        return to_mask(found.pred_masks.flatten(0, 2)[best], height=height, width=width)


def marks(prompt: Prompt, scale: tuple[float, float]) -> dict[str, Tensor]:
    """Return a prompt as the network takes it; a mask alone is shown by its box, too."""
    across, down = scale
    places = [[x * across, y * down] for x, y in (*prompt.inside(), *prompt.outside())]
    labels = [1] * len(prompt.inside()) + [0] * len(prompt.outside())
    found: dict[str, Tensor] = {}
    if places:
        found["input_points"] = torch.tensor([[places]], dtype=torch.float32)
        found["input_labels"] = torch.tensor([[labels]])
    box: Box | None = prompt.box
    if prompt.previous is not None:
        # As logits, 20 apart: the network takes its own earlier masks so.
        share = torch.from_numpy(prompt.previous.astype(np.float32))[None, None]
        found["input_masks"] = 20 * share - 10
        box = box or (None if places else box_of(prompt.previous))
    if box is not None:
        left, top, wide, high = box
        corners = [left * across, top * down, (left + wide) * across, (top + high) * down]
        found["input_boxes"] = torch.tensor([[corners]], dtype=torch.float32)
    return found
