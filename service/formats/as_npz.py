"""NumPy arrays: `numpy.load` reads them, without pickles.

Axes: t frames, n regions of all frames in their order, h w pixels of what a player shows.

    times        float64 [t]      seconds
    frame        int32 [n]        of each region
    track        int32 [n]
    category     str [n]
    score        float32 [n]
    bbox         float32 [n 4]    x, y, width, height
    description  str [n]          empty if there is none
    masks        bool [n h w]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from service.formats.archive import archive
from service.formats.format import Format, Material, Need
from service.formats.pixels import box_in, mask_in, shown_size
from service.understanding.schemas import Understanding
from ssuformer.masks import Mask


def write(material: Material, out: IO[bytes]) -> None:
    """Write the arrays; the masks one by one."""
    answer = material.answer
    with archive(out) as made:
        for name, array in _small(answer).items():
            with made.member(f"{name}.npy") as file:
                npy.write_array(file, array, allow_pickle=False)
        with made.member("masks.npy") as file:
            _write_masks(answer, file)


def _small(answer: Understanding) -> dict[str, NDArray[Any]]:
    found = [(i, region) for i, frame in enumerate(answer.frames) for region in frame.regions]
    boxes = [box_in(region, answer) for _, region in found]
    return {
        "times": np.array([frame.time for frame in answer.frames], np.float64),
        "frame": np.array([frame for frame, _ in found], np.int32),
        "track": np.array([region.track for _, region in found], np.int32),
        "category": np.array([region.category for _, region in found], np.str_),
        "score": np.array([region.score for _, region in found], np.float32),
        "bbox": np.array(boxes, np.float32).reshape(-1, 4),
        "description": np.array([region.description or "" for _, region in found], np.str_),
    }


def _write_masks(answer: Understanding, file: IO[bytes]) -> None:
    count = sum(len(frame.regions) for frame in answer.frames)
    shape = (count, *shown_size(answer))
    header = {"descr": "|b1", "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, header)
    for mask in _masks(answer):
        file.write(np.ascontiguousarray(mask).data)


def _masks(answer: Understanding) -> Iterator[Mask]:
    for frame in answer.frames:
        for region in frame.regions:
            mask = mask_in(region, answer)
            yield np.zeros(shown_size(answer), np.bool_) if mask is None else mask


FORMAT = Format(
    summary="NumPy arrays of masks, boxes, tracks and sentences",
    media_type="application/x-npz",
    suffix=".npz",
    write=write,
    needs=frozenset({Need.MASKS}),
)
