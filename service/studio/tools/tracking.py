"""A mask through the film: dense optical flow (DIS, Kroeger et al. 2016), and cuts of the film.

Axes: h w pixels of the picture, s t those of the smaller one that the flow is measured on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from service.studio.tools.masks import SAM
from service.studio.tools.prompt import Mask, MaskTool, Picture, Prompt, box_of
from ssuformer.errors import ConfigError, OptionError
from ssuformer.masks import overlap

Flow = NDArray[np.float32]
"""`[s t 2]`: where each pixel was in the picture before, x and y, in pixels."""

_LONGEST = 480
"""Pixels of the longer side of what the flow is measured on."""
_AGREE = 0.5
"""Least share of the mask whose flow there leads back by the flow here."""
_JUMP = 1.6
"""Most that the area of a mask changes from one picture to the next."""
_OTHER_COLOURS = 0.55
"""Greatest distance (Bhattacharyya) of the colours in the mask to those in the first one."""
_SAME = 0.7
"""Least IoU of the mask drawn anew with the one that has moved: else that one stays."""
_CUT_COLOURS, _CUT_REST = 0.35, 0.55
"""A cut: colours of the whole picture are as far apart as this, and of its differences this share
is left when the one before is moved by the flow."""

_SPREADS = (24.0, 8.0)
_NEAR = 0.05
"""The flow inside is carried on by blurs of these pixels, as far as they hold this share of it."""
_STEPS = 4
_EDGE = cv2.BORDER_REPLICATE


@dataclass(frozen=True, slots=True)
class Followed:
    """The mask in the next picture."""

    mask: Mask
    held: bool
    """Whether the tracker is sure."""
    cut: bool = False
    """Whether the film cuts before this picture: the mask is empty, and nothing follows."""


class Tracker(Protocol):
    """Follows a mask through pictures."""

    name: str

    def follow(self, pictures: Iterator[Picture], mask: Mask) -> Iterator[Followed]:
        """Yield the mask in each picture after the first, which is the one of `mask`.

        Ends after a cut, and where nothing of the mask is left: that one is empty and not held.
        """
        ...


def tracker(name: str, *, masks: MaskTool, fps: float) -> Tracker:
    """Return a tracker: `flow` or `sam2.1:FOLDER`; ConfigError if it cannot be had.

    `masks` draws the mask anew once a second, `fps` are the pictures of a second.
    """
    if name == "flow":
        return FlowTracker(masks, every=max(1, round(fps)))
    if name.startswith(SAM):
        from service.studio.tools.sam_tracking import SamTracker

        return SamTracker(Path(name.removeprefix(SAM)))
    raise ConfigError(f"{name!r} follows no masks: give flow or sam2.1:FOLDER")


class FlowTracker:
    """Moves a mask by the flow, and has it drawn anew once in a while."""

    name = "flow"

    def __init__(self, masks: MaskTool, *, every: int) -> None:
        """`every` so many pictures the mask is drawn anew by `masks`, within its own box."""
        self._masks = masks
        self._every = every

    def follow(self, pictures: Iterator[Picture], mask: Mask) -> Iterator[Followed]:
        """Yield the mask in each picture after the first, which is the one of `mask`."""
        before = next(pictures, None)
        if before is None:
            return
        check_mask(before, mask)
        colours = colours_in(before, mask)
        for number, picture in enumerate(pictures, start=1):
            here, there = _small(before), _small(picture)
            back, forth = _flow(there, here), _flow(here, there)
            if _is_cut(before, picture, _warped(here, back), here, there):
                yield Followed(np.zeros_like(mask), held=False, cut=True)
                return
            moved = _moved(mask, forth)
            held = _agreement(forth, back, mask) >= _AGREE
            if number % self._every == 0:
                moved = self._anew(picture, moved)
            held = held and _like(mask, moved) and _distance(colours, picture, moved)
            yield Followed(moved, held=held)
            if not moved.any():
                return
            before, mask = picture, moved

    def _anew(self, picture: Picture, mask: Mask) -> Mask:
        """Return the mask drawn by the mask tool, if that agrees with the one that has moved."""
        box = box_of(mask)
        if box is None:
            return mask
        drawn = self._masks.mask(picture, Prompt(box=_wider(box, 0.05), previous=mask))
        return drawn if overlap(drawn, mask) >= _SAME else mask


def check_mask(picture: Picture, mask: Mask) -> None:
    """Raise OptionError unless the mask is of this picture and not empty."""
    if mask.shape != picture.shape[:2]:
        raise OptionError(f"the mask has {mask.shape} pixels, the picture {picture.shape[:2]}")
    if not mask.any():
        raise OptionError("there is nothing to follow: the mask is empty")


def colours_in(picture: Picture, mask: Mask | None) -> NDArray[np.float32]:
    """Return the histogram of hue and saturation in a mask, or of the whole picture."""
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    where = None if mask is None else mask.astype(np.uint8)
    found = cv2.calcHist([hsv], [0, 1, 2], where, [12, 6, 6], [0, 180, 0, 256, 0, 256])
    found = cv2.GaussianBlur(found.reshape(12, 36), (3, 3), 0)
    return np.asarray(found / max(1.0, float(found.sum())), np.float32)


def _small(picture: Picture) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, _LONGEST / max(grey.shape))
    size = (max(16, round(grey.shape[1] * scale)), max(16, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Flow:
    """Return for each pixel of the first how far it is moved in the second."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)  # edges of things that move are lost at half the size
    return np.asarray(dis.calc(first, second, None), np.float32)  # type: ignore[call-overload]


def _places(flow: Flow) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return x + flow[..., 0], y + flow[..., 1]


def _warped(picture: NDArray[np.uint8], back: Flow) -> NDArray[np.uint8]:
    x, y = _places(back)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _moved(mask: Mask, forth: Flow) -> Mask:
    """Return the mask `[h w]` as the flow `[s t 2]` of what lies well inside it moves it."""
    height, width = mask.shape
    own = _own_flow(mask, forth)
    back = np.zeros_like(own)
    for _ in range(_STEPS):  # where a pixel comes from is where this flow leads to it from
        x, y = _places(back)
        back = -np.asarray(cv2.remap(own, x, y, cv2.INTER_LINEAR, borderMode=_EDGE), np.float32)
    scale = np.array((width / back.shape[1], height / back.shape[0]), np.float32)
    x, y = _places(np.asarray(cv2.resize(back, (width, height)), np.float32) * scale)
    share = cv2.remap(mask.astype(np.float32), x, y, cv2.INTER_LINEAR, borderValue=0)
    return np.asarray(cv2.GaussianBlur(share, (0, 0), 0.8) > 0.5)


def _own_flow(mask: Mask, flow: Flow) -> Flow:
    """Return the flow inside a mask, carried on beyond it: at its edge that of the ground mixes in.

    Each pixel has the mean of those well inside, the near ones first.
    """
    inner = _inner(mask, flow).astype(np.float32)
    weighed = flow * inner[..., None]
    found = np.full_like(flow, weighed.sum((0, 1)) / max(1.0, float(inner.sum())))
    for spread in _SPREADS:
        weight = np.asarray(cv2.GaussianBlur(inner, (0, 0), spread))
        near = np.asarray(cv2.GaussianBlur(weighed, (0, 0), spread))
        sure = np.clip(weight / _NEAR, 0, 1)[..., None]
        found = sure * near / np.maximum(weight, 1e-6)[..., None] + (1 - sure) * found
    return np.asarray(found, np.float32)


def _inner(mask: Mask, flow: Flow) -> Mask:
    """Return what lies well inside a mask, `[s t]`; all of it if it is too thin for that."""
    small = cv2.resize(mask.astype(np.uint8), flow.shape[1::-1], interpolation=cv2.INTER_AREA)
    for reach in (4, 2):
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        inner = np.asarray(cv2.erode(small, kernel)) > 0
        if 4 * np.count_nonzero(inner) > np.count_nonzero(small):
            return inner
    return np.asarray(small) > 0


def _agreement(forth: Flow, back: Flow, mask: Mask) -> float:
    """Return the share of the inside of a mask that the flows lead forth, and back to itself."""
    inside = _inner(mask, forth)
    if not inside.any():
        return 0.0
    x, y = _places(forth)
    again = np.asarray(cv2.remap(back, x, y, cv2.INTER_LINEAR), np.float32)
    missed = np.linalg.norm(forth + again, axis=2)
    allowed = 1.5 + 0.1 * np.linalg.norm(forth, axis=2)
    return float((missed <= allowed)[inside].mean())


def _is_cut(
    before: Picture,
    picture: Picture,
    warped: NDArray[np.uint8],
    here: NDArray[np.uint8],
    there: NDArray[np.uint8],
) -> bool:
    """Return whether colours are others, and moving the picture before explains little."""
    colours = cv2.compareHist(
        colours_in(before, None), colours_in(picture, None), cv2.HISTCMP_BHATTACHARYYA
    )
    if colours < _CUT_COLOURS:
        return False
    differs = float(cv2.absdiff(here, there).mean())
    left = float(cv2.absdiff(warped, there).mean())
    return left > _CUT_REST * differs


def _like(before: Mask, now: Mask) -> bool:
    areas = sorted((np.count_nonzero(before), np.count_nonzero(now)))
    return bool(areas[0] > 0 and areas[1] <= _JUMP * areas[0])


def _distance(colours: NDArray[np.float32], picture: Picture, mask: Mask) -> bool:
    """Return whether the colours in the mask are like those of the first one."""
    if not mask.any():
        return False
    now = colours_in(picture, mask)
    return cv2.compareHist(colours, now, cv2.HISTCMP_BHATTACHARYYA) <= _OTHER_COLOURS


def _wider(
    box: tuple[float, float, float, float], share: float
) -> tuple[float, float, float, float]:
    left, top, wide, high = box
    more_x, more_y = share * wide, share * high
    return left - more_x, top - more_y, wide + 2 * more_x, high + 2 * more_y
