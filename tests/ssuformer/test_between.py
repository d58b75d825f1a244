"""Shapes between two masks."""

from __future__ import annotations

import numpy as np
import pytest

from ssuformer.between import Between
from ssuformer.masks import Mask, overlap

SIZE = (120, 200)


def disc(y: float, x: float, radius: float) -> Mask:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    found: Mask = np.hypot(rows - y, columns - x) <= radius
    return found


def between(one: Mask, other: Mask) -> Between:
    found = Between.of(one, other)
    assert found is not None
    return found


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.8, 1])
def test_a_disc_that_moves_and_grows_is_a_disc_on_its_way(share: float) -> None:
    way = between(disc(50, 60, 20), disc(60, 90, 30))

    found = way.at(share)

    assert overlap(found, disc(50 + 10 * share, 60 + 30 * share, 20 + 10 * share)) > 0.93


def test_at_the_ends_the_shape_is_as_it_was() -> None:
    ring = disc(60, 70, 40) & ~disc(60, 70, 20)
    way = between(ring, disc(60, 75, 40))

    assert overlap(way.at(0), ring) > 0.97
    assert overlap(way.at(1), disc(60, 75, 40)) > 0.97


def test_every_step_is_small() -> None:
    way = between(disc(50, 60, 20), disc(60, 90, 30))

    shapes = [way.at(number / 30) for number in range(31)]

    assert min(map(overlap, shapes, shapes[1:])) > 0.88


def test_nothing_lies_outside_both_and_the_way_between_them() -> None:
    found = between(disc(50, 60, 20), disc(50, 80, 20)).at(0.5)

    assert not found[:29].any()
    assert not found[72:].any()
    assert not found[:, :49].any()
    assert not found[:, 92:].any()


def test_there_is_nothing_between_two_places_or_with_an_empty_mask() -> None:
    assert Between.of(disc(30, 20, 10), disc(90, 180, 10)) is None
    assert Between.of(disc(30, 20, 10), np.zeros(SIZE, bool)) is None
    assert Between.of(disc(60, 60, 8), disc(60, 80, 8)) is not None  # near, though apart


def test_a_mask_at_the_edge_of_the_frame_stays_there() -> None:
    edge = disc(60, 0, 30)

    assert overlap(between(edge, disc(64, 0, 30)).at(0.5), disc(62, 0, 30)) > 0.93


def test_thin_shapes_do_not_vanish_on_their_way() -> None:
    upright, flat = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    upright[20:100, 99:101] = True
    flat[59:61, 60:140] = True

    assert all(between(upright, flat).at(number / 10).any() for number in range(11))


def test_a_large_mask_costs_no_more_detail_than_a_small_one() -> None:
    large = np.zeros((1080, 1920), bool)
    large[100:900, 200:1700] = True

    assert between(large, np.roll(large, 8, 1))._fields[0].size < 110 * 110
