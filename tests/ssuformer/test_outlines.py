"""Any mask comes back from its outlines, and each ring is what its promise says."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageDraw

from ssuformer.masks import Mask
from ssuformer.outlines import fill, outlines

MASKS = arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))


def drawn(picture: str) -> Mask:
    """`#` is a pixel of the mask."""
    return np.array([[character == "#" for character in row] for row in picture.split()])


def area(ring: list[int]) -> float:
    """Signed by direction: positive if clockwise as seen on a screen."""
    x, y = np.reshape(ring, (-1, 2)).T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


@given(MASKS)
@example(np.ones((1, 1), bool))
@example(np.indices((7, 7)).sum(0) % 2 == 0)
def test_filling_undoes_outlining_for_any_mask(mask: Mask) -> None:
    rings = outlines(mask)

    np.testing.assert_array_equal(fill(rings, (mask.shape[0], mask.shape[1])), mask)


@given(MASKS)
def test_rings_run_along_pixel_edges_and_turn_at_every_corner(mask: Mask) -> None:
    rings = outlines(mask)

    for ring in rings:
        steps = np.diff(np.reshape([*ring, *ring[:2]], (-1, 2)), axis=0)
        level = steps[:, 1] == 0
        assert (level ^ (steps[:, 0] == 0)).all()
        assert (level != np.roll(level, 1)).all()


@given(MASKS)
def test_outer_rings_less_their_holes_have_the_area_of_the_mask(mask: Mask) -> None:
    rings = outlines(mask)

    assert sum(area(ring) for ring in rings) == np.count_nonzero(mask)


def test_an_outer_ring_runs_clockwise_and_a_hole_the_other_way() -> None:
    ring = drawn("##### #...# #...# #####")

    outer, hole = sorted(outlines(ring), key=area, reverse=True)

    assert (area(outer), area(hole)) == (20, -6)


def test_an_island_in_a_hole_is_inside_again() -> None:
    mask = drawn("##### #...# #.#.# #...# #####")

    rings = outlines(mask)

    assert sorted(map(area, rings)) == [-9, 1, 25]
    np.testing.assert_array_equal(fill(rings, (5, 5)), mask)


@pytest.mark.parametrize(
    ("picture", "areas"),
    [
        ("#. .#", [1, 1]),
        (".# #.", [1, 1]),
        ("#.# .#. #.#", [1] * 5),
    ],
)
def test_pixels_that_touch_at_a_corner_belong_to_different_rings(
    picture: str, areas: list[float]
) -> None:
    rings = outlines(drawn(picture))

    assert sorted(map(area, rings)) == areas


def test_a_hole_that_touches_the_outside_at_a_corner_is_a_bay_of_the_outer_ring() -> None:
    (ring,) = outlines(drawn("### #.# ##."))

    assert area(ring) == 7


def test_a_mask_up_to_the_frames_edge_is_one_rectangle_around_it() -> None:
    (ring,) = outlines(np.ones((3, 5), bool))

    corners = {(x, y) for x, y in np.reshape(ring, (-1, 2)).tolist()}
    assert corners == {(0, 0), (5, 0), (5, 3), (0, 3)}
    assert len(ring) == 8


@given(MASKS, st.randoms(use_true_random=False))
def test_rings_may_come_in_any_order_and_begin_at_any_corner(mask: Mask, random: Random) -> None:
    rings = outlines(mask)
    turned = [ring[2:] + ring[:2] for ring in rings]
    random.shuffle(turned)

    np.testing.assert_array_equal(fill(turned, (mask.shape[0], mask.shape[1])), mask)


def test_a_mask_can_be_drawn_from_its_outline_by_pillow() -> None:
    mask = np.zeros((20, 30), bool)
    mask[4:9, 7:19] = True
    picture = Image.new("1", (30, 20))
    (ring,) = outlines(mask)

    ImageDraw.Draw(picture).polygon(ring, fill=1)

    assert np.asarray(picture)[5:8, 8:18].all()


def test_an_empty_mask_has_no_rings_and_no_rings_fill_nothing() -> None:
    assert outlines(np.zeros((4, 6), bool)) == []
    assert not fill([], (4, 6)).any()
    assert fill([], (4, 6)).shape == (4, 6)
