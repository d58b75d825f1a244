"""Tracking by SAM 2.1's video form, from a folder of weights in the form of transformers.

Needs torch and transformers, which the service does not: it is imported by name, when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from transformers import Sam2VideoInferenceSession, Sam2VideoModel

from service.studio.tools.prompt import Mask, Picture
from service.studio.tools.sam_pictures import loaded, side_of, to_mask, to_network
from service.studio.tools.tracking import Followed, check_mask


class SamTracker:
    """Follows a mask by what a network remembers of it, picture by picture."""

    def __init__(self, folder: Path) -> None:
        """Load the weights; ConfigError if the folder holds none. Nothing is downloaded."""
        self._model = loaded(Sam2VideoModel, folder)
        self.name = f"sam2.1:{folder.name}"

    def follow(self, pictures: Iterator[Picture], mask: Mask) -> Iterator[Followed]:
        """Yield the mask in each picture after the first, which is the one of `mask`."""
        first = next(pictures, None)
        if first is None:
            return
        check_mask(first, mask)
        height, width = mask.shape
        session = Sam2VideoInferenceSession(
            video_height=height, video_width=width, dtype=torch.float32
        )
        side = side_of(self._model)
        given = torch.nn.functional.interpolate(
            torch.from_numpy(mask)[None, None].float(), (side, side), mode="bilinear"
        )
        thing = session.obj_id_to_idx(1)
        session.add_mask_inputs(thing, 0, (given >= 0.5).float())
        session.obj_with_new_inputs = [1]
        self._next(session, first)
        for picture in pictures:
            found, score = self._next(session, picture)
            yield Followed(found, held=score > 0)
            if not found.any():
                return

    def _next(self, session: Sam2VideoInferenceSession, picture: Picture) -> tuple[Mask, float]:
        """Return the mask in the next picture, and whether the thing is there, above 0."""
        height, width = picture.shape[:2]
        frame = to_network(picture, side_of(self._model))
        with torch.inference_mode():
            found = self._model(inference_session=session, frame=frame)
        mask = to_mask(found.pred_masks.flatten(0, 1)[0], height=height, width=width)
        return mask, float(found.object_score_logits.flatten()[0])
