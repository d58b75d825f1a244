"""Scores against labelled boxes, second by second.

    located               of the seconds in which something in the picture sounds, those with a
                          region that overlaps the box of such a thing by an IoU of 0.3 or more
    located_or_centroid   the same, or whose centroid lies in the box
    located_by_middle     what a fixed box over the middle half of the picture would reach
    named_right           of those seconds in which a sounding thing has a category that the model
                          has, those with a region on such a thing that names it
    answered              of those seconds, those with any region
    silent_with_region    of the seconds in which nothing in the picture sounds, those with any
                          region (lower is better)
    people_misnamed       of the regions that overlap a sounding person most and are on it, those
                          named as an animal or a thing (lower is better)
    counts
      scenes, sounding_seconds, silent_seconds, nameable_seconds, regions, regions_on_people

A region is *on* a thing as in `located_or_centroid`. A score without any measurement is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ssuformer.masks import Mask, bounding_box, overlap
from training.metrics.counts import Mean
from training.metrics.regions import KindReader, PredictedRegion, misnames_person, ranked
from training.scene import Scene, Source

LEAST_IOU = 0.3

SCORES = (
    *("located", "located_or_centroid", "located_by_middle", "named_right", "answered"),
    *("silent_with_region", "people_misnamed"),
)


class BoxEvaluation:
    """Scores of a model on scenes whose masks are boxes.

    `right` returns the model's categories that are right for a label.
    """

    def __init__(self, *, right: Callable[[str], Collection[str]], kind: KindReader) -> None:
        self._right, self._kind = right, kind
        self._means = {name: Mean() for name in SCORES}
        self._scenes = self._regions = 0

    def add(
        self, truth: Scene, *, regions: Sequence[Sequence[PredictedRegion]], union: npt.NDArray[Any]
    ) -> None:
        """Add one clip: its truth and the regions of each frame; `union` is not needed."""
        del union
        self._scenes += 1
        for frame, predicted in enumerate(regions):
            self._regions += len(predicted)
            self._add_second(truth, frame, ranked(predicted))

    def report(self) -> dict[str, float]:
        """Return every measured score, and every count, by name as documented above."""
        scores = {name: mean.value for name, mean in self._means.items() if mean.count}
        return scores | {
            "scenes": float(self._scenes),
            "sounding_seconds": float(self._means["located"].count),
            "silent_seconds": float(self._means["silent_with_region"].count),
            "nameable_seconds": float(self._means["named_right"].count),
            "regions": float(self._regions),
            "regions_on_people": float(self._means["people_misnamed"].count),
        }

    def _add_second(self, truth: Scene, frame: int, regions: list[PredictedRegion]) -> None:
        seen = [source for source in truth.sources if source.masks[frame].any()]
        sounding = [source for source in seen if source.sounding[frame]]
        if not sounding:
            self._means["silent_with_region"].add(bool(regions))
            return
        on = [
            (region, source)
            for region in regions
            for source in sounding
            if _is_on(region.mask, source.masks[frame])
        ]
        boxes = [source.masks[frame] for source in sounding]
        self._means["answered"].add(bool(regions))
        self._means["located"].add(
            any(_overlaps(region.mask, source.masks[frame]) for region, source in on)
        )
        self._means["located_or_centroid"].add(bool(on))
        self._means["located_by_middle"].add(
            any(_overlaps(_middle(box.shape), box) for box in boxes)
        )
        if any(self._right_names(source) for source in sounding):
            named = (region.category in self._right_names(source) for region, source in on)
            self._means["named_right"].add(any(named))
        self._add_people(frame, regions, seen)

    def _right_names(self, source: Source) -> set[str]:
        """Return the model's categories that are right for a source; empty if it has none."""
        return {
            name for label in (source.category, *source.accepted) for name in self._right(label)
        }

    def _add_people(self, frame: int, regions: list[PredictedRegion], seen: list[Source]) -> None:
        for region in regions:
            source = max(seen, key=lambda source: overlap(region.mask, source.masks[frame]))
            if not (
                source.sounding[frame]
                and self._kind(source.category) == "person"
                and _is_on(region.mask, source.masks[frame])
            ):
                continue
            name = region.category
            wrong = name not in source.accepted and misnames_person(name, self._kind)
            self._means["people_misnamed"].add(wrong)


def _is_on(mask: Mask, box: Mask) -> bool:
    return _overlaps(mask, box) or _centroid_inside(mask, box)


def _overlaps(mask: Mask, box: Mask) -> bool:
    return overlap(mask, box) >= LEAST_IOU


def _centroid_inside(mask: Mask, box: Mask) -> bool:
    if not mask.any():
        return False
    row, column = np.argwhere(mask).mean(axis=0)
    x, y, width, height = bounding_box(box)
    return bool(x <= column <= x + width and y <= row <= y + height)


def _middle(shape: tuple[int, ...]) -> Mask:
    h, w = shape
    middle = np.zeros((h, w), np.bool_)
    middle[h // 4 : 3 * h // 4, w // 4 : 3 * w // 4] = True
    return middle
