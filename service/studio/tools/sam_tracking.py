"""Tracking by SAM 2.1's video form, from a folder of weights in the form of transformers.

Needs torch and transformers, which the service does not: it is imported by name, when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import Sam2VideoModel, Sam2VideoProcessor

from service.studio.tools.prompt import Mask, Picture
from service.studio.tools.tracking import Followed, check_mask
from ssuformer.errors import ConfigError


class SamTracker:
    """Follows a mask by what a network remembers of it, picture by picture."""

    def __init__(self, folder: Path) -> None:
        """Load the weights; ConfigError if the folder holds none. Nothing is downloaded."""
        if not folder.is_dir():
            raise ConfigError(f"{folder} is no folder with SAM 2.1's weights")
        try:
            self._processor = Sam2VideoProcessor.from_pretrained(folder, local_files_only=True)
            self._model = Sam2VideoModel.from_pretrained(folder, local_files_only=True).eval()
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{folder}: SAM 2.1 cannot be loaded: {error}") from error
        self.name = f"sam2.1:{folder.name}"

    def follow(self, pictures: Iterator[Picture], mask: Mask) -> Iterator[Followed]:
        """Yield the mask in each picture after the first, which is the one of `mask`."""
        first = next(pictures, None)
        if first is None:
            return
        check_mask(first, mask)
        session = self._processor.init_video_session()
        session.video_height, session.video_width = mask.shape
        self._processor.add_inputs_to_inference_session(
            session, frame_idx=0, obj_ids=1, input_masks=mask
        )
        self._next(session, first)
        for picture in pictures:
            found, score = self._next(session, picture)
            yield Followed(found, held=score > 0)
            if not found.any():
                return

    def _next(self, session: object, picture: Picture) -> tuple[Mask, float]:
        """Return the mask in the next picture, and whether the thing is there, above 0."""
        with torch.inference_mode():
            inputs = self._processor(images=picture, return_tensors="pt")
            found = self._model(inference_session=session, frame=inputs.pixel_values[0])
            drawn = self._processor.post_process_masks(
                [found.pred_masks], original_sizes=[list(picture.shape[:2])]
            )[0]
        return np.asarray(drawn[0, 0].numpy(), bool), float(found.object_score_logits.flatten()[0])
