"""What is heard is told in every frame, with its region, or as out of sight."""

from __future__ import annotations

import numpy as np
import pytest

from service.engines.fake import FakeEngine
from service.understanding.answer import TrackLog, render_heard
from ssuformer.manifest import Thresholds
from ssuformer.sentences import Wording
from tests.service.conftest import run, small_settings
from tests.service.made_answer import region
from tests.ssuformer.footage import Footage

CATEGORIES = ("bell", "lamp", "other")
WORDING = Wording(FakeEngine().facts.manifest)


def test_what_has_a_region_points_at_it_and_what_has_none_is_out_of_sight() -> None:
    found = [(2, 0.9), (0, 0.7), (1, 0.4)]

    engine, bell, lamp = render_heard(
        found, categories=CATEGORIES, tracks={0: 5}, seen={0, 1}, wording=WORDING
    )

    assert (engine.region, engine.description) == (None, "an engine idles out of sight")
    assert (bell.region, bell.description) == (5, None)
    assert (lamp.region, lamp.description) == (None, None)


@pytest.mark.anyio
async def test_an_answer_tells_what_is_heard_in_every_second(clip: bytes) -> None:
    async with run(small_settings(), engine=FakeEngine(heard=True)) as running:
        answer = (await running.understand(clip)).json()

    silent, beeping, bright, dark = (frame["heard"] for frame in answer["frames"])
    assert silent == dark == []
    assert beeping == bright
    assert beeping == [
        {
            "category": "other",
            "score": 0.8,
            "region": None,
            "description": "an engine idles out of sight",
        },
        {
            "category": "bell",
            "score": 0.7,
            "region": answer["frames"][1]["regions"][0]["track"],
            "description": None,
        },
    ]


@pytest.mark.anyio
async def test_a_region_that_was_not_asked_for_is_not_out_of_sight(clip: bytes) -> None:
    async with run(small_settings(), engine=FakeEngine(heard=True)) as running:
        answer = (await running.understand(clip, min_score=0.95)).json()

    (bell,) = (heard for heard in answer["frames"][1]["heard"] if heard["category"] == "bell")
    assert answer["frames"][1]["regions"] == []
    assert (bell["region"], bell["description"]) == (None, None)


@pytest.mark.anyio
async def test_without_captions_nothing_is_described(clip: bytes) -> None:
    async with run(small_settings(), engine=FakeEngine(heard=True)) as running:
        answer = (await running.understand(clip, captions=False)).json()

    assert [heard["description"] for heard in answer["frames"][1]["heard"]] == [None, None]


@pytest.mark.anyio
async def test_all_windows_of_a_long_clip_are_heard_once() -> None:
    media = Footage(seconds=4, beep=(0, 4)).make()

    async with run(small_settings(), engine=FakeEngine(heard=True)) as running:
        answer = (await running.understand(media, fps=10)).json()

    assert len(answer["frames"]) == 40
    assert all(len(frame["heard"]) == 2 for frame in answer["frames"])
    assert {frame["heard"][1]["region"] for frame in answer["frames"]} == {1}


@pytest.mark.anyio
async def test_an_engine_that_does_not_hear_leaves_the_list_empty(clip: bytes) -> None:
    async with run(small_settings()) as running:
        answer = (await running.understand(clip)).json()

    assert [frame["heard"] for frame in answer["frames"]] == [[]] * 4


OPEN = ("a <noun> <verb> on the left while a <other> <does>", "a <noun> <verb> alone")


@pytest.mark.anyio
async def test_open_sentences_are_filled_with_the_region_and_the_loudest_other(clip: bytes) -> None:
    engine = FakeEngine(heard=True, sentences=OPEN)

    async with run(small_settings(), engine=engine) as running:
        answer = (await running.understand(clip)).json()

    said = [region["description"] for region in answer["frames"][2]["regions"]]
    assert said == [
        "a bell rings on the left while an engine idles",
        "a lamp hums while an engine idles",
    ]
    assert [track["sentences"][0]["text"] for track in answer["tracks"]] == said


@pytest.mark.anyio
async def test_what_is_not_sure_is_something_and_does_not_count_as_known() -> None:
    unsure = Thresholds(category=0.99)
    media = Footage(beep=(0, 4)).make()

    async with run(
        small_settings(), engine=FakeEngine(sentences=OPEN, thresholds=unsure)
    ) as running:
        answer = (await running.understand(media)).json()

    (region,) = answer["frames"][1]["regions"]
    assert region["category"] == answer["tracks"][0]["category"] == "something"
    assert region["description"] == "something sounds on the left"
    assert region["score"] == pytest.approx(0.9)
    assert [warning["code"] for warning in answer["warnings"]] == ["out_of_domain"]


def test_a_track_takes_the_name_of_the_frame_that_could_name_it() -> None:
    mask = np.ones((48, 64), bool)
    unnamed, bell = region(mask).model_copy(update={"category": "something"}), region(mask)
    log = TrackLog(step=1.0)

    for time, seen in enumerate((unnamed, bell, unnamed)):
        log.add(time + 0.5, [seen])

    (track,) = log.tracks(duration=3.0)
    assert track.category == "bell"
