"""The part of a clip that is asked for, and whether it is within the limits before it is read."""

from __future__ import annotations

import numpy as np
from av.video.stream import VideoStream

from ssuformer.errors import ClipTooLarge
from ssuformer.media.opening import Limits

_LONGEST_INDEX = 500_000
"""Entries of an index; a longer one is not looked at."""


def check_part(seconds: float, fps: float, limits: Limits) -> None:
    """Raise ClipTooLarge if so many seconds at so many frames a second are over a limit."""
    if seconds > limits.seconds:
        raise ClipTooLarge(
            f"the part asked for lasts {seconds:.1f} s, the limit is {limits.seconds:g} s; ask for "
            "less with start and end",
            limit=limits.seconds,
            actual=round(seconds, 3),
        )
    samples = int(seconds * fps)
    if samples > limits.samples:
        raise ClipTooLarge(
            f"{seconds:.1f} s at {fps:g} frames per second are {samples} frames, the limit is "
            f"{limits.samples}; ask for a lower fps or for less with start and end",
            limit=limits.samples,
            actual=samples,
        )


def check_work(stream: VideoStream, begin: float, end: float, fps: float, limits: Limits) -> None:
    """Raise ClipTooLarge if the clip's index shows that reading a part means too much decoding.

    `begin` and `end` are in seconds of the stream. A clip without an index is checked as it is
    decoded.
    """
    size = stream.codec_context.width * stream.codec_context.height
    frames = _frames_to_decode(stream, np.arange(begin + 0.5 / fps, end, 1 / fps))
    if frames > limits.frames:
        raise ClipTooLarge(
            f"{frames} frames of the clip have to be decoded, the limit is {limits.frames}; ask "
            "for less with start and end",
            limit=limits.frames,
            actual=frames,
        )
    if frames * size > limits.decoded_pixels:
        raise pixels_exceeded(frames * size, limits)


def pixels_exceeded(pixels: int, limits: Limits) -> ClipTooLarge:
    """Return the error for more pixels in all decoded frames together than allowed."""
    return ClipTooLarge(
        f"{pixels / 1e6:,.0f} million pixels have to be decoded, the limit is "
        f"{limits.decoded_pixels / 1e6:,.0f} million; ask for less with start and end, or send a "
        "smaller film",
        limit=limits.decoded_pixels,
        actual=pixels,
    )


def _frames_to_decode(stream: VideoStream, wanted: np.typing.NDArray[np.float64]) -> int:
    """Return how many frames lie between the wanted ones and the key frames before them."""
    entries = stream.index_entries
    if not 2 <= len(entries) <= _LONGEST_INDEX or len(wanted) == 0 or stream.time_base is None:
        return 0
    times = np.array([entry.timestamp for entry in entries]) * float(stream.time_base)
    keys = np.flatnonzero([entry.is_keyframe for entry in entries])
    if len(keys) == 0:
        return len(entries)
    last = np.searchsorted(times, wanted, side="right")
    key = keys[np.maximum(np.searchsorted(keys, last, side="left") - 1, 0)]
    first = np.maximum(key, np.concatenate([[0], last[:-1]]))
    return int(np.maximum(last - first, 0).sum())
