"""Masks by SAM 2.1 (Ravi et al. 2024), from a folder of weights in the form of transformers.

Needs torch and transformers, which the service does not: it is imported by name, when asked for.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import Sam2Model, Sam2Processor

from service.studio.tools.prompt import Box, Mask, Picture, Prompt, box_of
from ssuformer.errors import ConfigError


class SamMasks:
    """Masks by a network that a person's marks are an input of."""

    def __init__(self, folder: Path) -> None:
        """Load the weights; ConfigError if the folder holds none. Nothing is downloaded."""
        if not folder.is_dir():
            raise ConfigError(f"{folder} is no folder with SAM 2.1's weights")
        try:
            self._processor = Sam2Processor.from_pretrained(folder, local_files_only=True)
            self._model = Sam2Model.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{folder}: SAM 2.1 cannot be loaded: {error}") from error
        self.name = f"sam2.1:{folder.name}"

    def mask(self, picture: Picture, prompt: Prompt) -> Mask:
        """Return the mask `[h w]`; OptionError if the prompt does not fit the picture."""
        prompt.check(picture)
        with torch.inference_mode():
            inputs = self._processor(images=picture, **marks(prompt), return_tensors="pt")
            more = {}
            if prompt.previous is not None:
                # As logits, 20 apart: the network takes its own earlier masks so.
                shares = torch.from_numpy(prompt.previous.astype(np.float32))[None, None]
                more["input_masks"] = 20 * shares - 10
            few = len(prompt.points) > 1 or prompt.box is not None or bool(more)
            sizes = inputs.pop("original_sizes")
            found = self._model(**inputs, **more, multimask_output=not few)
            drawn = self._processor.post_process_masks(found.pred_masks, sizes)[0][0]
        best = int(found.iou_scores.flatten().argmax())
        return np.asarray(drawn[best].numpy(), bool)


def marks(prompt: Prompt) -> dict[str, object]:
    """Return a prompt as the processor takes it; a mask alone is shown by its box, too."""
    places = [[x, y] for x, y in (*prompt.inside(), *prompt.outside())]
    labels = [1] * len(prompt.inside()) + [0] * len(prompt.outside())
    found: dict[str, object] = {}
    if places:
        found |= {"input_points": [[places]], "input_labels": [[labels]]}
    box: Box | None = prompt.box
    if box is None and not places and prompt.previous is not None:
        box = box_of(prompt.previous)
    if box is not None:
        left, top, wide, high = (float(side) for side in box)
        found["input_boxes"] = [[[left, top, left + wide, top + high]]]
    return found
