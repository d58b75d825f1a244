"""A mask is followed through films whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from service.studio.tools.grabcut import GrabCutMasks
from service.studio.tools.prompt import Mask, Picture
from service.studio.tools.tracking import FlowTracker, tracker
from ssuformer.errors import ConfigError, OptionError
from ssuformer.masks import overlap
from tests.service.studio.tools.shapes import RED, scene, texture


def moving(count: int) -> list[tuple[Picture, Mask]]:
    return [scene(70 + 8 * number, 90 + 3 * number) for number in range(count)]


def follower(every: int = 5) -> FlowTracker:
    return FlowTracker(GrabCutMasks(), every=every)


def test_a_mask_stays_on_what_moves() -> None:
    film = moving(16)

    found = list(follower().follow((picture for picture, _ in film), film[0][1]))

    assert len(found) == 15
    assert all(one.held and not one.cut for one in found)
    assert min(
        overlap(one.mask, truth) for one, (_, truth) in zip(found, film[1:], strict=True)
    ) > 0.8  # fmt: skip


def test_it_is_followed_backwards_just_so() -> None:
    film = moving(10)[::-1]

    found = list(follower().follow((picture for picture, _ in film), film[0][1]))

    assert overlap(found[-1].mask, film[-1][1]) > 0.8


def test_drift_is_undone_once_a_second() -> None:
    film = moving(7)
    pictures = [picture for picture, _ in film]
    beside = np.roll(film[0][1], (3, 5), (0, 1))

    anchored = list(follower(5).follow(iter(pictures), beside))
    adrift = list(follower(1000).follow(iter(pictures), beside))

    assert overlap(anchored[-1].mask, film[-1][1]) > overlap(adrift[-1].mask, film[-1][1])


def test_it_ends_at_a_cut() -> None:
    film = moving(5)
    other = texture(3, (200, 200, 60), contrast=50)
    pictures = [*(picture for picture, _ in film), other, other]

    found = list(follower().follow(iter(pictures), film[0][1]))

    assert len(found) == 5
    assert [one.cut for one in found] == [False] * 4 + [True]
    assert not found[-1].mask.any()
    assert not found[-1].held


def test_what_is_covered_is_not_held() -> None:
    film = moving(4)
    covered = texture(1, (60, 140, 60))
    pictures = [*(picture for picture, _ in film), covered]

    found = list(follower(1000).follow(iter(pictures), film[0][1]))

    assert [one.held for one in found] == [True, True, True, False]


def test_other_colours_at_its_place_are_not_held() -> None:
    before, truth = scene(150, 120)
    after, _ = scene(150, 120, thing=(40, 40, 200))

    found = list(follower(1000).follow(iter([before, after]), truth))

    assert not found[0].held


def test_a_thing_that_stands_still_stays_as_it_is() -> None:
    picture, truth = scene(150, 120, thing=RED)

    found = list(follower(1000).follow(iter([picture] * 20), truth))

    assert overlap(found[-1].mask, truth) > 0.97


def test_no_picture_gives_no_mask() -> None:
    assert list(follower().follow(iter([]), np.ones((4, 4), bool))) == []


def test_a_mask_of_another_size_or_of_nothing_is_refused() -> None:
    picture, truth = scene(150, 120)

    for mask in (np.zeros_like(truth), np.ones((3, 3), bool)):
        with pytest.raises(OptionError):
            list(follower().follow(iter([picture] * 2), mask))


def test_a_name_of_no_tracker_is_refused() -> None:
    with pytest.raises(ConfigError, match="flow"):
        tracker("hope", masks=GrabCutMasks(), fps=5)
