"""A clip that is understood in parts gives what it gives at once."""

from __future__ import annotations

import tempfile

import pytest

from service.telemetry.stages import StageClock
from service.understanding.options import Options
from service.understanding.story import Part, Story
from tests.service.conftest import Running
from tests.ssuformer.footage import Footage

pytestmark = pytest.mark.anyio

PARTED = {
    "frames that end with a part": (Footage(seconds=26, beep=(3.0, 21.0)), Options()),
    "a rest": (Footage(seconds=29.3, beep=(3.0, 21.0)), Options()),
    "one short window": (Footage(seconds=3, beep=(0.0, 3.0)), Options()),
    "less than a frame": (Footage(seconds=0.3), Options()),
    "many frames a second": (Footage(seconds=12, beep=(3.0, 7.0)), Options(fps=3)),
    "a part of the clip": (Footage(seconds=30, beep=(3.0, 21.0)), Options(start=2.5, end=25.2)),
    "smooth": (Footage(seconds=26, beep=(3.0, 21.0)), Options(smooth=True)),
    "smooth, with a rest": (
        Footage(seconds=29.3, beep=(3.0, 21.0)),
        Options(smooth=True, fps=2, start=2.5),
    ),
    "smooth, no longer than its parts": (Footage(seconds=0.3), Options(smooth=True)),
    "packed in Matroska": (Footage(seconds=29, beep=(3.0, 21.0), container="matroska"), Options()),
}


def blink(_: int, time: float) -> int:
    return 235 if int(time) % 7 < 3 else 20


async def parts(
    running: Running, clip: bytes, options: Options, *, seconds: float
) -> tuple[list[Part], Story]:
    story, found = Story(), list[Part]()
    with tempfile.TemporaryFile() as file:
        file.write(clip)
        file.flush()
        while not found or not found[-1].ended:
            part = await running.gateway.current.pipeline.understand_part(
                file.fileno(), options, StageClock(), story, seconds=seconds
            )
            found.append(part)
            story = Story.resumed(story.saved())
    return found, story


@pytest.mark.parametrize("kind", PARTED)
@pytest.mark.parametrize("seconds", [1.0, 17.0])
async def test_a_clip_in_parts_has_the_frames_and_tracks_of_the_whole(
    running: Running, kind: str, seconds: float
) -> None:
    footage, options = PARTED[kind]
    clip = Footage(**{**vars(footage), "paint": blink}).make()
    whole = await running.understand(clip, **options.model_dump(exclude_defaults=True))

    found, story = await parts(running, clip, options, seconds=seconds)

    expected = whole.json()
    frames = [frame.model_dump(mode="json") for part in found for frame in part.frames]
    tracks = story.tracks(duration=found[-1].duration)
    assert frames == expected["frames"]
    assert [one.model_dump(mode="json") for one in tracks] == expected["tracks"]
    assert round(found[-1].duration, 3) == expected["clip"]["duration"]
    assert {part.smooth_fps for part in found} == {expected.get("smooth_fps")}
    assert sum(part.analysed for part in found) == sum(not one.get("between") for one in frames)
