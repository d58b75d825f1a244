"""The warnings of a job, of all its parts."""

from __future__ import annotations

import pytest

from service.jobs.answers import PartFacts, head_of
from service.understanding.options import Options
from service.understanding.schemas import ClipFacts, ModelFacts, Notice
from service.understanding.story import Story

CLIP = ClipFacts(
    duration=60.0, width=64, height=48, rotation=0, audio=True, fps=25.0,
    video_codec="h264", audio_codec="aac",
)  # fmt: skip


def part(*codes: str, frames: int = 10) -> PartFacts:
    return PartFacts(
        clip=CLIP,
        model=ModelFacts(name="m", version="1", digest="d"),
        sampled_fps=1.0,
        mask_size=(48, 64),
        frames=frames,
        milliseconds={"decode": 2.0, "total": 3.0},
        warnings=[Notice(code=code, message=f"it is {code}") for code in codes],
    )


SILENT, QUIET, CLIPPED = "silent_audio", "quiet_audio", "clipped_audio"


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([part(SILENT)], {SILENT: "it is silent_audio"}),
        ([part(SILENT), part(SILENT)], {SILENT: "it is silent_audio"}),
        ([part(SILENT), part()], {}),
        ([part(SILENT), part(QUIET)], {QUIET: "it is quiet_audio"}),
        ([part(QUIET), part()], {}),
        ([part(), part(SILENT, frames=0)], {}),
        ([part(CLIPPED), part(CLIPPED)], {CLIPPED: "it is clipped_audio"}),
        (
            [part(CLIPPED), part(), part()],
            {CLIPPED: "it is clipped_audio (in 1 of 3 parts of the clip)"},
        ),
        ([part(), part("clip_incomplete")], {"clip_incomplete": "it is clip_incomplete"}),
        ([part("hdr"), part("hdr")], {"hdr": "it is hdr"}),
    ],
    ids=str,
)
def test_a_warning_holds_for_the_clip_or_says_for_how_much_of_it(
    parts: list[PartFacts], told: dict[str, str]
) -> None:
    head = head_of(parts, Story(), Options())

    assert {one.code: one.message for one in head.warnings} == told


def test_the_times_of_all_parts_add_up() -> None:
    head = head_of([part(), part()], Story(), Options())

    assert head.timings_ms == {"decode": 4.0, "total": 6.0}
