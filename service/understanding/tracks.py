"""Tracking: a source keeps the same number in all frames and windows."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ssuformer.masks import Mask, decode_rle, encode_rle, overlap
from ssuformer.regions import Detection

_LEAST_OVERLAP = 0.3
_NEAR = 0.15
"""As a share of the frame's width: masks with closer centres may be one source."""
_LONGEST_GAP = 2
"""Number of frames after which a source that reappears in a new query gets a new number."""


@dataclass(slots=True)
class _Seen:
    category: int
    frame: int
    mask: Mask


class _Known(NamedTuple):
    """A region of a frame that has a number."""

    number: int
    category: int
    mask: Mask


class Tracker:
    """Assigns track numbers to the regions of one clip, window after window.

    Within a window, a query is a source. A new window's queries take the numbers of the overlapping
    masks in the frames both windows share; otherwise the number of a recent source of the same
    category at the same place; otherwise a new one.
    """

    def __init__(self, *, memory: int) -> None:
        """`memory` is the number of frames that two windows may share."""
        self._last = 0
        self._seen: dict[int, _Seen] = {}
        self._past: deque[list[_Known]] = deque(maxlen=memory)
        self._frame = 0

    def saved(self) -> dict[str, Any]:
        """Return what it has to remember, as JSON."""
        return {
            "last": self._last,
            "frame": self._frame,
            "seen": [
                (number, seen.category, seen.frame, encode_rle(seen.mask))
                for number, seen in self._seen.items()
                if self._frame - seen.frame <= _LONGEST_GAP
            ],
            "past": [
                [(one.number, one.category, encode_rle(one.mask)) for one in frame]
                for frame in self._past
            ],
        }

    def resume(self, saved: dict[str, Any]) -> None:
        """Remember what another one has saved."""
        self._last, self._frame = saved["last"], saved["frame"]
        self._seen = {
            number: _Seen(category, frame, decode_rle(mask))
            for number, category, frame, mask in saved["seen"]
        }
        for frame in saved["past"]:
            self._past.append(
                [_Known(number, category, decode_rle(mask)) for number, category, mask in frame]
            )

    def follow(self, frames: list[list[Detection]], *, fresh: int) -> list[list[int]]:
        """Return the numbers of the regions in each frame of a window from `fresh` on."""
        owners = self._carry_over(frames[:fresh])
        numbered = []
        for regions in frames[fresh:]:
            numbers = self._number(regions, owners)
            self._past.append(
                [
                    _Known(number, region.category, region.mask)
                    for number, region in zip(numbers, regions, strict=True)
                ]
            )
            self._frame += 1
            self._forget()
            numbered.append(numbers)
        return numbered

    def _carry_over(self, shared: list[list[Detection]]) -> dict[int, int]:
        """Return the number of each query that overlaps a known source in the shared frames."""
        votes: defaultdict[tuple[int, int], float] = defaultdict(float)
        past = list(self._past)[len(self._past) - len(shared) :] if shared else []
        for before, now in zip(past, shared, strict=True):
            for known in before:
                for region in now:
                    if known.category == region.category:
                        votes[region.query, known.number] += overlap(known.mask, region.mask)
        owners: dict[int, int] = {}
        for (query, number), vote in sorted(votes.items(), key=lambda item: -item[1]):
            enough = vote >= _LEAST_OVERLAP
            if enough and query not in owners and number not in owners.values():
                owners[query] = number
        return owners

    def _number(self, regions: list[Detection], owners: dict[int, int]) -> list[int]:
        numbers: list[int] = []
        reserved = {owners[region.query] for region in regions if region.query in owners}
        for region in regions:
            number = owners.get(region.query)
            if number is None or number in numbers:
                number = self._nearby(region, taken={*numbers, *reserved}) or self._next_number()
            for query in (region.query, *region.twins):
                owners.setdefault(query, number)
            owners[region.query] = number
            self._seen[number] = _Seen(region.category, self._frame, region.mask)
            numbers.append(number)
        return numbers

    def _next_number(self) -> int:
        self._last += 1
        return self._last

    def _forget(self) -> None:
        """Drop sources that were seen too long ago to be taken up again."""
        oldest = self._frame - _LONGEST_GAP
        self._seen = {number: seen for number, seen in self._seen.items() if seen.frame >= oldest}

    def _nearby(self, region: Detection, *, taken: set[int]) -> int | None:
        """Return the number of a recent source at this position, or None."""
        best, best_score = None, 0.0
        for number, seen in self._seen.items():
            if number in taken or seen.category != region.category:
                continue
            score = _likeness(seen.mask, region.mask)
            if score > best_score:
                best, best_score = number, score
        return best


def _likeness(one: Mask, other: Mask) -> float:
    """Return the likelihood that masks of neighbouring frames are one source; 0 if they are not."""
    shared = overlap(one, other)
    if shared >= _LEAST_OVERLAP:
        return 1 + shared
    apart = float(np.linalg.norm(_centre(one) - _centre(other))) / one.shape[1]
    return float(max(0.0, 1 - apart / _NEAR))


def _centre(mask: Mask) -> NDArray[np.float64]:
    centre: NDArray[np.float64] = np.argwhere(mask).mean(0)
    return centre
