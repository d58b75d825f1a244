"""The answer of a job, from what is stored of its parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from service.understanding.options import Options
from service.understanding.schemas import ClipFacts, ModelFacts, Notice, Understanding
from service.understanding.story import Story

_SILENT, _QUIET = "silent_audio", "quiet_audio"
"""Warnings that hold for a clip if they do for all of it."""
_OF_SOME_PARTS = frozenset(("clipped_audio", "audio_damaged", "pictures_damaged"))
"""Warnings that say in how many parts they hold; all others are about the clip."""
_OF_SOUND = frozenset((_SILENT, _QUIET, "clipped_audio"))
"""Warnings that mean nothing where there is no frame."""


class PartFacts(BaseModel):
    """What the answer needs of a part besides its frames."""

    model_config = ConfigDict(frozen=True)

    clip: ClipFacts
    model: ModelFacts
    sampled_fps: float
    mask_size: tuple[int, int]
    smooth_fps: float | None = None
    frames: int
    """Those that were looked at."""
    milliseconds: dict[str, float]
    warnings: list[Notice]


def head_of(parts: Sequence[PartFacts], story: Story, options: Options) -> Understanding:
    """Return the answer without its frames."""
    last, spent = parts[-1], Counter[str]()
    for part in parts:
        spent.update(part.milliseconds)
    told = [Notice(code=one.code, message=one.message) for one in story.warnings()]
    return Understanding(
        clip=last.clip,
        model=last.model,
        sampled_fps=last.sampled_fps,
        start=options.start,
        end=options.end,
        smooth_fps=last.smooth_fps,
        mask_size=last.mask_size,
        timings_ms={stage: round(milliseconds, 2) for stage, milliseconds in spent.items()},
        warnings=[*_warnings(parts), *told],
        frames=[],
        tracks=story.tracks(duration=last.clip.duration),
    )


def _warnings(parts: Sequence[PartFacts]) -> list[Notice]:
    """Return the warnings of all parts, each once; it says so if it is not of all of them."""
    counted = [part for part in parts if part.frames]
    found: dict[str, Notice] = {}
    times = Counter[str]()
    for part in parts:
        for notice in part.warnings:
            if part.frames or notice.code not in _OF_SOUND:
                found.setdefault(notice.code, notice)
                times[notice.code] += 1
    if times[_SILENT] < len(counted):
        found.pop(_SILENT, None)
    if times[_SILENT] + times[_QUIET] < len(counted) or _SILENT in found:
        found.pop(_QUIET, None)
    return [
        _with_share(notice, times[code], len(counted)) if code in _OF_SOME_PARTS else notice
        for code, notice in found.items()
    ]


def _with_share(notice: Notice, times: int, parts: int) -> Notice:
    if times >= parts:
        return notice
    return notice.model_copy(
        update={"message": f"{notice.message} (in {times} of {parts} parts of the clip)"}
    )
