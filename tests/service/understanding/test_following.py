from collections.abc import AsyncIterator

import numpy as np
import pytest

from service.understanding.tracks import Tracker
from service.understanding.windows import Window, cut
from ssuformer.clip import Chunk
from ssuformer.manifest import Thresholds
from ssuformer.regions import (
    Detection,
    Segmentation,
    find_regions,
    plan_captions,
    to_describe,
    without_twins,
)


def region(
    query: int, *, x: int, category: int = 0, size: int = 8, score: float = 0.9
) -> Detection:
    mask = np.zeros((56, 56), bool)
    mask[20 : 20 + size, x : x + size] = True
    return Detection(0, query, category, score, mask.astype(np.float32), mask)


async def windows_of(frames: int, *, chunk: int, size: int, overlap: int) -> list[Window]:
    async def chunks() -> AsyncIterator[Chunk]:
        for begin in range(0, frames, chunk):
            times = np.arange(begin, min(begin + chunk, frames), dtype=float)
            n = len(times)
            yield Chunk(np.zeros((n, 1, 1, 3), np.uint8), np.zeros((n, 1), np.float32), times)

    return [window async for window in cut(chunks(), size=size, overlap=overlap)]


@pytest.mark.anyio
@pytest.mark.parametrize("frames", [1, 3, 9, 10, 11, 18, 19, 26, 57])
@pytest.mark.parametrize("chunk", [1, 7, 10, 25])
async def test_every_frame_is_fresh_exactly_once_and_windows_are_full(
    frames: int, chunk: int
) -> None:
    windows = await windows_of(frames, chunk=chunk, size=10, overlap=2)

    fresh = np.concatenate([window.chunk.times[window.fresh :] for window in windows])
    np.testing.assert_array_equal(fresh, np.arange(frames))
    assert all(len(window.chunk.times) == min(10, frames) for window in windows)
    assert all(window.fresh >= 2 for window in windows[1:])
    assert all(len(window.chunk.frames) == len(window.chunk.times) for window in windows)


def test_near_duplicates_of_one_category_become_the_more_certain_one() -> None:
    found = [region(3, x=10), region(1, x=11, score=0.8), region(2, x=10, category=1, score=0.7)]

    kept = without_twins(found)

    assert [(one.query, one.twins) for one in kept] == [(3, (1,)), (2, ())]


def test_a_query_keeps_its_number_within_a_window() -> None:
    tracker = Tracker(memory=10)

    numbers = tracker.follow([[region(0, x=2)], [region(0, x=40)], [], [region(0, x=5)]], fresh=0)

    assert numbers == [[1], [1], [], [1]]


def test_in_a_new_window_shared_frames_carry_the_numbers_to_other_queries() -> None:
    tracker = Tracker(memory=10)
    tracker.follow([[region(0, x=2), region(1, x=40)]] * 4, fresh=0)

    numbers = tracker.follow([[region(1, x=2), region(0, x=40)]] * 4, fresh=2)

    assert numbers == [[1, 2], [1, 2]]


def test_another_category_at_the_same_place_is_another_source() -> None:
    tracker = Tracker(memory=10)
    tracker.follow([[region(0, x=2)]] * 2, fresh=0)

    numbers = tracker.follow([[region(0, x=2, category=1)]] * 3, fresh=2)

    assert numbers == [[2]]


def test_a_source_that_changes_its_query_near_by_keeps_its_number() -> None:
    tracker = Tracker(memory=10)

    numbers = tracker.follow([[region(0, x=10)], [region(4, x=13)], [region(4, x=16)]], fresh=0)

    assert numbers == [[1], [1], [1]]


def test_two_regions_of_one_frame_never_share_a_number() -> None:
    tracker = Tracker(memory=10)
    twins = Detection(0, 0, 0, 0.9, region(0, x=2).probability, region(0, x=2).mask, twins=(1,))

    numbers = tracker.follow([[twins], [region(0, x=2), region(1, x=40)]], fresh=0)

    assert len(set(numbers[1])) == 2
    assert numbers[0][0] in numbers[1]


def test_only_what_sounds_and_has_pixels_is_found() -> None:
    window = Segmentation(
        mask_probability=np.zeros((1, 3, 56, 56), np.float32),
        sounding_probability=np.array([[0.9, 0.4, 0.8]], np.float32),
        category_logits=np.zeros((1, 3, 2), np.float32),
        region_tokens=np.zeros((1, 3, 1, 1), np.float32),
        scene_prompt=np.zeros((1, 1), np.float32),
        source_prompt=np.zeros((1, 1), np.float32),
    )
    window.mask_probability[0, :2, 5:9, 5:9] = 0.9
    window.category_logits[0, 0] = [0, 1]

    (found,) = find_regions(window, thresholds=Thresholds(), min_score=0.0)

    assert [(one.query, one.category) for one in found] == [(0, 1)]


def test_a_sentence_stays_while_a_source_stays_where_it_was_described() -> None:
    drift = [[region(0, x=x, size=20)] for x in range(6)]

    groups = to_describe(drift)

    assert [[mask_left(r) for r in regions] for _, regions in groups] == [[0, 1, 2, 3], [4, 5]]
    assert all(first is regions[0] for first, regions in groups)


@pytest.mark.parametrize(
    "next_frame",
    [
        [],
        [region(1, x=0)],
        [region(0, x=0, category=1)],
        [region(0, x=0), region(2, x=30)],
    ],
)
def test_a_sentence_ends_when_the_company_changes(next_frame: list[Detection]) -> None:
    frames = [[region(0, x=0)], next_frame, [region(0, x=0)]]

    groups = to_describe(frames)

    assert all(len(regions) == 1 for _, regions in groups)
    assert len(groups) == 2 + len(next_frame)


def test_sentences_of_several_windows_go_back_to_their_own_regions() -> None:
    still = [[region(0, x=0, size=20)], []]
    window = Segmentation(
        mask_probability=np.zeros((2, 2, 56, 56), np.float32),
        sounding_probability=np.zeros((2, 2), np.float32),
        category_logits=np.zeros((2, 2, 2), np.float32),
        region_tokens=np.arange(4, dtype=np.float32).reshape(2, 2, 1, 1),
        scene_prompt=np.zeros((2, 1), np.float32),
        source_prompt=np.zeros((2, 1), np.float32),
    )

    plan = plan_captions([(window, still), (window, [[], []]), (window, [[region(1, x=9)], []])])

    assert plan.inputs[0].ravel().tolist() == [0.0, 1.0]
    assert plan.assign(["a", "b"]) == [{(0, 0): "a"}, {}, {(0, 1): "b"}]


def mask_left(found: Detection) -> int:
    return int(found.mask.any(axis=0).argmax())
