"""Edges by colour: GrabCut (Rother et al. 2004) where it is open what belongs to the thing.

Axes: s s pixels of a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from service.studio.tools.prompt import Box, Mask, Picture, Prompt, box_of
from service.studio.tools.window import Share, Window, box_round, united, window_round
from ssuformer.errors import OptionError
from ssuformer.salience import SIZE

_ROUNDS = 3
_SEED = 4
"""Radius of what a point makes sure, in pixels of the window."""
_CLICK_SHARE = 0.25
"""Half the side of what a click alone is about, as a share of the picture's shorter side."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """What a person has made sure, in a window: bool `[s s]` each."""

    inside: Mask
    outside: Mask


def seeds(window: Window, prompt: Prompt) -> Seeds:
    """Return what points and stroke make sure; the outside of a box is sure, too."""
    outside = _discs(window, prompt.outside(), _SEED)
    if prompt.box is not None:
        outside |= ~_within(window, prompt.box)
    inside = _discs(window, prompt.inside(), _SEED)
    if prompt.stroke:
        places = [window.place(x, y) for x, y in prompt.stroke]
        line = np.rint(places).astype(np.int32).reshape(-1, 1, 2)
        drawn = np.zeros((SIZE, SIZE), np.uint8)
        inside |= cv2.polylines(drawn, [line], isClosed=False, color=1, thickness=_SEED) > 0
    return Seeds(inside, outside & ~inside)


def touched_up(picture: Picture, share: Share, sure: Seeds, *, open_to: float = 0.12) -> Share:
    """Return the share whose edge follows the colours of the picture: `[s s 3]` and `[s s]`.

    It stays as it is where it is farther from its own edge than `open_to` of the thing's size, but
    for what is doubtful in itself.
    """
    inside = share > 0.5
    reach = max(3, int(open_to * max(1, int(np.count_nonzero(inside))) ** 0.5))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    grown = cv2.dilate(inside.astype(np.uint8), kernel) > 0
    core = cv2.erode(inside.astype(np.uint8), kernel) > 0
    labels = np.full(share.shape, cv2.GC_BGD, np.uint8)
    labels[grown | (share > 0.2)] = cv2.GC_PR_BGD
    labels[inside] = cv2.GC_PR_FGD
    labels[core & (share > 0.8)] = cv2.GC_FGD
    labels[sure.inside], labels[sure.outside] = cv2.GC_FGD, cv2.GC_BGD
    return grabbed(picture, labels)


def grabbed(picture: Picture, labels: NDArray[np.uint8]) -> Share:
    """Return 1 for what GrabCut counts to the thing: `[s s]`, from its four labels `[s s]`."""
    known = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if not known.any() or known.all():
        return known.astype(np.float32)
    cv2.setRNGSeed(0)
    backdrop, thing = np.zeros((1, 65)), np.zeros((1, 65))
    bgr = np.ascontiguousarray(picture[..., ::-1])
    cv2.grabCut(bgr, labels, (0, 0, 1, 1), backdrop, thing, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    return found.astype(np.float32)


def tidied(share: Share, sure: Seeds) -> Share:
    """Return the share without specks and holes, smooth at its edge: `[s s]`.

    Of separate parts, those that hold a point inside stay; without any, those that are not small
    beside the largest.
    """
    mask = (share > 0.5).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel)
    mask = np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel), np.uint8)
    mask[sure.inside], mask[sure.outside] = 1, 0
    count, parts, sizes, _ = cv2.connectedComponentsWithStats(mask)
    if count > 1:
        areas = sizes[1:, cv2.CC_STAT_AREA]
        large = 1 + np.flatnonzero(areas >= 0.1 * areas.max())
        held = np.setdiff1d(np.unique(parts[sure.inside]), [0])
        mask = np.isin(parts, held if held.size else large).astype(np.uint8)
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5).astype(np.float32)


def about(prompt: Prompt, picture: Picture) -> Box:
    """Return the box of what a prompt is about; round a click alone by a share of the picture."""
    boxes = [box for box in (prompt.box, _previous(prompt)) if box is not None]
    if points := prompt.inside():
        boxes.append(box_round(points))
    found = boxes[0]
    for box in boxes[1:]:
        found = united(found, box)
    if len(boxes) > 1 or prompt.box or prompt.previous is not None:
        return found
    half = _CLICK_SHARE * min(picture.shape[:2])
    return united(found, (points[0][0] - half, points[0][1] - half, 2 * half, 2 * half))


class GrabCutMasks:
    """Masks by colour alone: without any weights, poor where colours are alike."""

    name = "grabcut"

    def mask(self, picture: Picture, prompt: Prompt) -> Mask:
        """Return the mask `[h w]`; OptionError if the prompt does not fit the picture."""
        prompt.check(picture)
        box = about(prompt, picture)
        window = window_round(box, picture, margin=0.4)
        sure = seeds(window, prompt)
        share = guessed(window, prompt, box)
        found = tidied(touched_up(window.cut(picture), share, sure, open_to=0.5), sure)
        return window.put(found, height=picture.shape[0], width=picture.shape[1])


def guessed(window: Window, prompt: Prompt, box: Box) -> Share:
    """Return a share `[s s]` without a look at the picture: the mask so far, or an ellipse."""
    if prompt.previous is not None and prompt.previous.any():
        return corrected(window.cut_share(prompt.previous.astype(np.float32)), window, prompt)
    left, top = window.place(box[0], box[1])
    right, bottom = window.place(box[0] + box[2], box[1] + box[3])
    y, x = np.mgrid[:SIZE, :SIZE]
    wide, high = max(8.0, right - left) / 2, max(8.0, bottom - top) / 2
    from_middle = np.hypot((x - (left + right) / 2) / wide, (y - (top + bottom) / 2) / high)
    return np.clip(1.5 - from_middle, 0, 0.79).astype(np.float32)


def corrected(share: Share, window: Window, prompt: Prompt) -> Share:
    """Return the share `[s s]`, made doubtful round each point that it contradicts.

    As far as to its edge: a point just beside it moves the edge, one far from it adds a part.
    """
    share = share.copy()
    y, x = np.mgrid[:SIZE, :SIZE]
    for points, inside in ((prompt.inside(), True), (prompt.outside(), False)):
        for point in points:
            column, row = window.place(*point)
            wrong = share < 0.5 if inside else share >= 0.5
            at = min(SIZE - 1, max(0, int(row))), min(SIZE - 1, max(0, int(column)))
            if not wrong[at]:
                continue
            reach = _distance_within(wrong, at)
            near = np.hypot(x - column, y - row) <= max(2.0 * _SEED, 1.2 * reach)
            share[near] = 0.6 if inside else 0.4
    return share


def _distance_within(wrong: Mask, at: tuple[int, int]) -> float:
    """Return how far a place is from the edge of the wrong part, in pixels of the window."""
    distance = cv2.distanceTransform(wrong.astype(np.uint8), cv2.DIST_L2, 3)
    return min(float(distance[at]), SIZE / 4)


def _previous(prompt: Prompt) -> Box | None:
    return None if prompt.previous is None else box_of(prompt.previous)


def _discs(window: Window, points: tuple[tuple[float, float], ...], radius: int) -> Mask:
    drawn = np.zeros((SIZE, SIZE), np.uint8)
    for point in points:
        x, y = window.place(*point)
        if not (0 <= x <= SIZE and 0 <= y <= SIZE):
            continue
        cv2.circle(drawn, (int(x), int(y)), radius, 1, thickness=-1)
    return drawn > 0


def _within(window: Window, box: Box) -> Mask:
    left, top = window.place(box[0], box[1])
    right, bottom = window.place(box[0] + box[2], box[1] + box[3])
    if right <= 0 or bottom <= 0 or left >= SIZE or top >= SIZE:
        raise OptionError("the box lies beside the other marks")
    inside = np.zeros((SIZE, SIZE), bool)
    rows = slice(max(0, int(top)), int(np.ceil(bottom)))
    inside[rows, max(0, int(left)) : int(np.ceil(right))] = True
    return inside
