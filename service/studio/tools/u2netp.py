"""Masks by what is salient in the part of a picture that a person points at, touched up by colour.

What is salient does not change by further points: they change a mask by colour alone.

Axes: h w pixels of the picture, s s those of a window.
"""

from __future__ import annotations

import cv2
import numpy as np

from service.studio.tools.grabcut import (
    GrabCutMasks,
    about,
    corrected,
    guessed,
    seeds,
    tidied,
    touched_up,
)
from service.studio.tools.prompt import Box, Mask, Picture, Prompt, box_iou, box_of
from service.studio.tools.window import Share, Window, box_round, united, window_round
from ssuformer.salience import Salience

_VIEWS = (1.0, 0.5, 0.25)
"""Half the side of the windows round a click, as shares of the picture's longer side: what is meant
may be large or small."""


_LEAST_SCORE = 0.2
"""Of a thing in those windows; below it colours alone decide."""


class U2netpMasks:
    """Masks from clicks, boxes and strokes, without a torch."""

    name = "u2netp"

    def __init__(self) -> None:
        """Load the network; ConfigError, with what to run, if its package is not installed."""
        self._salience = Salience()
        self._by_colour = GrabCutMasks()

    def mask(self, picture: Picture, prompt: Prompt) -> Mask:
        """Return the mask `[h w]`; OptionError if the prompt does not fit the picture."""
        prompt.check(picture)
        if prompt.previous is not None and prompt.previous.any():
            return self._by_colour.mask(picture, prompt)
        height, width = picture.shape[:2]
        window, share = self._share(picture, prompt)
        sure = seeds(window, prompt)
        found = tidied(touched_up(window.cut(picture), share, sure), sure)
        mask = window.put(found, height=height, width=width)
        if prompt.box is None:
            return mask
        return _filling(prompt.box, (mask, self._by_colour.mask(picture, prompt)))

    def _share(self, picture: Picture, prompt: Prompt) -> tuple[Window, Share]:
        """Return the window to work in, and what is salient there."""
        if prompt.box is not None:
            window = window_round(about(prompt, picture), picture, margin=0.1)
            share = self._salient(picture, window)
            return window, corrected(_reaching(share, window, prompt), window, prompt)
        return self._clicked(picture, prompt)

    def _clicked(self, picture: Picture, prompt: Prompt) -> tuple[Window, Share]:
        """Look at windows of several sizes round the points, then closer at the best thing."""
        views = [(_view(picture, prompt, share)) for share in _VIEWS]
        shares = [self._salient(picture, view) for view in views]
        scores = [_score(share, view, prompt) for share, view in zip(shares, views, strict=True)]
        best = int(np.argmax(scores))
        window, share = views[best], shares[best]
        if scores[best] <= _LEAST_SCORE:
            box = about(prompt, picture)
            window = window_round(box, picture, margin=0.4)
            return window, guessed(window, prompt, box)
        part = _part(share, window, prompt)
        whole = box_of(window.put(part, height=picture.shape[0], width=picture.shape[1]))
        if whole is None:
            return window, corrected(share, window, prompt)
        closer = window_round(united(whole, box_round(prompt.inside())), picture, margin=0.2)
        again = self._salient(picture, closer)
        if _score(again, closer, prompt) > 0:
            window, share = closer, again
        return window, corrected(_part(share, window, prompt), window, prompt)

    def _salient(self, picture: Picture, window: Window) -> Share:
        found = self._salience.find(window.cut(picture))
        low, high = float(found.min()), float(found.max())
        return np.asarray((found - low) / max(high - low, 1e-6), np.float32)


def _filling(box: Box, masks: tuple[Mask, ...]) -> Mask:
    """Return the mask that reaches best to the sides of a box: a person draws it so."""
    return max(masks, key=lambda mask: box_iou(box_of(mask), box))


def _view(picture: Picture, prompt: Prompt, share: float) -> Window:
    left, top, wide, high = box_round(prompt.inside())
    half = share * max(picture.shape[:2])
    box = (left - half, top - half, wide + 2 * half, high + 2 * half)
    return window_round(box, picture, margin=0)


def _part(share: Share, window: Window, prompt: Prompt) -> Share:
    """Return the share of those separate salient parts that points lie in."""
    _, parts = cv2.connectedComponents((share > 0.5).astype(np.uint8))
    sure = seeds(window, prompt)
    held = np.setdiff1d(np.unique(parts[sure.inside]), [0])
    near = cv2.dilate(np.isin(parts, held).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    return np.where(near, share, 0).astype(np.float32)


def _score(share: Share, window: Window, prompt: Prompt) -> float:
    """Return how clearly one whole thing lies at the points; 0 if none does."""
    part = _part(share, window, prompt) > 0.5
    area = np.count_nonzero(part) / part.size
    if not 0.01 < area < 0.95:
        return 0.0
    ring = cv2.dilate(part.astype(np.uint8), np.ones((25, 25), np.uint8)) > 0
    contrast = float(share[part].mean() - share[ring & ~part].mean()) if (ring & ~part).any() else 0
    border = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    return max(0.0, contrast) * (1 - float(border.mean()))


def _reaching(share: Share, window: Window, prompt: Prompt) -> Share:
    """Return the share of the thing in a box, which reaches to its sides: nothing outside."""
    sure = seeds(window, prompt)
    return np.where(sure.outside, 0, share).astype(np.float32)
