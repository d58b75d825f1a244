"""Options of a request, as keyword arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict


class Options(TypedDict, total=False):
    """Those of `POST /understand`, documented at `/docs`; None means the default."""

    fps: float | None
    file_name: str | None
    """Name of the clip's file in formats that tell it; that of its path by default."""
    mask_format: Literal["rle", "rle_uncompressed", "polygon", "png", "none"]
    mask_size: Literal["source", "engine"]
    min_score: float
    captions: bool
    smooth: bool
    start: float
    end: float | None
    video_track: int | None
    audio_track: int | None
    deadline: float | None


def query_of(options: Mapping[str, object]) -> dict[str, str]:
    """Return the options as parameters of a query; those that are None are left out."""
    given = {name: value for name, value in options.items() if value is not None}
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in given.items()
    }
