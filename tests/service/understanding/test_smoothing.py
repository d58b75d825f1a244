"""Frames between those that were analysed."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from service.costs import Costs
from service.formats.records import read_records
from service.understanding.mask_formats import FORMATS, MaskFormat
from service.understanding.schemas import Frame, Region, Understanding
from service.understanding.smoothing import Smoother
from ssuformer.masks import Mask, bounding_box, overlap
from tests.service.conftest import Running, run, small_settings
from tests.service.made_answer import region

SIZE = (48, 64)


def square(x: int, *, side: int = 16) -> Mask:
    mask = np.zeros(SIZE, bool)
    mask[16 : 16 + side, x : x + side] = True
    return mask


def smoothed(*frames: list[Region], fps: float = 1, parts: int = 4) -> list[Frame]:
    """Smooth frames, a second each, fed one by one."""
    smoother = Smoother(step=1 / fps, parts=parts, most=1000)
    found = [
        one
        for number, regions in enumerate(frames)
        for one in smoother.add([Frame(time=(number + 0.5) / fps, regions=regions)])
    ]
    return found + smoother.end(len(frames) / fps)


def mask_of(found: Region) -> Mask:
    assert found.mask is not None
    return found.mask.to_mask()


def test_frames_lie_evenly_over_the_whole_clip() -> None:
    even, odd = smoothed([], [], parts=4), smoothed([], [], parts=5)

    assert [frame.time for frame in even] == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75]
    assert [frame.time for frame in odd] == pytest.approx(np.arange(0.1, 2, 0.2).tolist())
    assert [frame.time for frame in even if not frame.between] == [0.5, 1.5]


def test_a_mask_glides_from_one_frame_to_the_next() -> None:
    frames = smoothed([region(square(8))], [region(square(16))])

    assert [frame.regions[0].bbox[0] for frame in frames] == [8, 8, 8, 10, 12, 14, 16, 16]
    for frame in frames:
        (found,) = frame.regions
        mask = mask_of(found)
        assert (found.bbox, found.area) == (bounding_box(mask), int(mask.sum()))
        assert overlap(mask, square(found.bbox[0])) == 1


def test_what_begins_or_ends_is_there_in_its_own_half_only_as_it_is() -> None:
    begins = smoothed([], [region(square(8))])
    ends = smoothed([region(square(8))], [])

    assert [len(frame.regions) for frame in begins] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert [len(frame.regions) for frame in ends] == [1, 1, 1, 1, 0, 0, 0, 0]
    assert {frame.regions[0].model_dump_json() for frame in begins[4:]} == {
        region(square(8)).model_dump_json()
    }


def test_a_mask_that_jumps_to_another_place_is_never_on_the_way() -> None:
    frames = smoothed([region(square(0, side=6))], [region(square(50, side=6))])

    assert {frame.regions[0].bbox[0] for frame in frames} == {0, 50}


def test_words_are_those_of_the_nearer_frame_and_scores_lie_between() -> None:
    one = region(square(8), text="one").model_copy(update={"score": 0.5})
    other = region(square(8), text="other").model_copy(update={"score": 0.9})

    frames = smoothed([one], [other])

    words = [frame.regions[0].description for frame in frames]
    assert words == ["one"] * 4 + ["other"] * 4
    assert [frame.regions[0].score for frame in frames[2:7]] == [0.5, 0.6, 0.7, 0.8, 0.9]


def test_regions_are_in_the_order_of_their_tracks() -> None:
    first, second = region(square(0), track=1), region(square(30), track=2)

    frames = smoothed([second], [first, second], [first])

    assert all(
        [one.track for one in frame.regions] == sorted(one.track for one in frame.regions)
        for frame in frames
    )
    assert max(len(frame.regions) for frame in frames) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_masks_keep_their_format(name: MaskFormat) -> None:
    ends = [
        region(square(x)).model_copy(update={"mask": FORMATS[name].of(square(x))}) for x in (8, 16)
    ]

    frames = smoothed([ends[0]], [ends[1]])

    assert {type(frame.regions[0].mask) for frame in frames} == {FORMATS[name]}


def test_without_masks_boxes_glide() -> None:
    ends = [region(square(x)).model_copy(update={"mask": None}) for x in (8, 16)]

    frames = smoothed([ends[0]], [ends[1]])

    assert [frame.regions[0].bbox[0] for frame in frames] == [8, 8, 8, 10, 12, 14, 16, 16]


def test_over_frames_that_are_missing_nothing_is_made_up() -> None:
    smoother = Smoother(step=1, parts=4, most=1000)
    ends = [Frame(time=time, regions=[region(square(8))]) for time in (0.5, 4.5)]

    frames = smoother.add(ends)

    assert [frame.time for frame in frames] == [0, 0.25, 0.5, 0.75, 4, 4.25, 4.5]


@pytest.mark.parametrize(
    ("fps", "film", "seconds", "most", "expected"),
    [
        (1, 24.0, 10, 6000, 24),
        (1, 60.0, 10, 6000, 30),
        (1, None, 10, 6000, 25),
        (2, 25.0, 10, 6000, 24),
        (30, 25.0, 10, 6000, 30),
        (1, 30.0, 600, 6000, 10),
        (10, 30.0, 600, 6000, 10),
    ],
)
def test_there_are_as_many_as_the_film_has_within_limits(
    fps: float, film: float | None, seconds: float, most: int, expected: float
) -> None:
    assert Smoother.of(fps=fps, film_fps=film, seconds=seconds, most=most).fps == expected


def test_a_film_that_lasts_longer_than_it_says_gets_no_more_than_the_limit() -> None:
    smoother = Smoother(step=1, parts=30, most=100)

    frames = [
        one for number in range(50) for one in smoother.add([Frame(time=number + 0.5, regions=[])])
    ]

    assert sum(frame.between for frame in frames) < 130


@pytest.mark.anyio
async def test_the_service_adds_frames_only_if_asked_to(running: Running, clip: bytes) -> None:
    plain, smooth = [
        Understanding.model_validate_json((await running.understand(clip, smooth=smooth)).content)
        for smooth in (False, True)
    ]

    assert [frame for frame in smooth.frames if not frame.between] == plain.frames
    assert smooth.tracks == plain.tracks
    assert (smooth.sampled_fps, plain.smooth_fps, smooth.clip.fps) == (1, None, smooth.smooth_fps)
    assert len(smooth.frames) == round(smooth.clip.duration * (smooth.smooth_fps or 0))
    assert '"between"' not in plain.model_dump_json()


@pytest.mark.anyio
async def test_a_stream_holds_the_same_frames(running: Running, clip: bytes) -> None:
    whole = (await running.understand(clip, smooth=True)).json()
    lines = (await running.understand(clip, smooth=True, format="ndjson")).text.splitlines()

    streamed = read_records(line.encode() for line in lines)
    assert json.loads(streamed.model_dump_json())["frames"] == whole["frames"]


@pytest.mark.anyio
async def test_costs_and_metrics_are_of_the_frames_that_were_analysed(
    clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    learnt = []
    async with run(small_settings()) as running:
        monkeypatch.setattr(Costs, "learn", lambda *_, frames, **__: learnt.append(frames))
        await running.understand(clip, smooth=True, format="ndjson")
        await running.understand(clip, smooth=True)

        assert running.metric("ssu_clip_frames_sum") == sum(learnt) == 8


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["srt", "eaf", "webvtt"])
async def test_what_is_said_over_time_stays_the_same(
    running: Running, clip: bytes, name: str
) -> None:
    smooth = (await running.understand(clip, smooth=True, format=name)).text
    plain = (await running.understand(clip, format=name)).text

    assert re.sub("DATE=[^ ]+", "", smooth) == re.sub("DATE=[^ ]+", "", plain)
