"""Cut-outs are pasted in linear light, and what is visible of each is known to the pixel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.collage.layout import Spot, places
from training.collage.picture import (
    HEIGHT,
    WIDTH,
    Cutout,
    Finish,
    Thing,
    cut,
    fitted,
    paint,
    squeezed,
    squeezed_mask,
    to_light,
    to_pixels,
)

BLACK = np.zeros((HEIGHT, WIDTH, 3), np.float32)


def plate(side: int, light: float, alpha: float = 1.0) -> Cutout:
    """Return a square that starts three pixels inside its border, as `fitted` makes them."""
    stamp = np.zeros((side + 6, side + 6, 4), np.float32)
    stamp[3:-3, 3:-3] = (light * alpha, light * alpha, light * alpha, alpha)
    return Cutout(stamp, None)


def still(cutout: Cutout, x: float, y: float, shadow: float = 0.0) -> Thing:
    return Thing(cutout, (x, y), (x, y), shadow)


def test_colours_survive_the_way_to_light_and_back() -> None:
    colours = np.arange(256, dtype=np.uint8)

    assert np.array_equal(to_pixels(to_light(colours)), colours)


def test_half_of_white_over_black_is_brighter_than_the_middle_grey() -> None:
    painted = paint(BLACK, [still(plate(20, 1.0, 0.5), 100, 100)], 0.0)

    assert to_pixels(painted.light)[90, 100, 0] == 186


def test_what_a_thing_covers_is_no_longer_visible() -> None:
    behind, front = still(plate(40, 0.2), 100, 100), still(plate(40, 0.8), 120, 100)

    painted = paint(BLACK, [behind, front], 0.0)

    assert painted.visible.sum(axis=(1, 2)) == pytest.approx([800, 1600])
    assert painted.visible.sum(axis=0).max() == 1


def test_a_thing_stands_with_its_lower_edge_on_its_foot() -> None:
    painted = paint(BLACK, [still(plate(40, 0.5), 100, 200)], 0.0)

    rows, columns = np.nonzero(painted.visible[0])
    assert (rows.min(), rows.max() + 1) == (160, 200)
    assert (columns.min(), columns.max() + 1) == (80, 120)


def test_a_thing_moves_by_parts_of_a_pixel() -> None:
    soft = ndimage.gaussian_filter(plate(40, 0.5).light, (1, 1, 0))
    thing = Thing(Cutout(soft, None), (100, 200), (101, 200), 0.0)
    columns = np.arange(WIDTH)

    centres = []
    for share in (0.0, 0.25, 1.0):
        weight = paint(BLACK, [thing], share).visible[0].sum(axis=0)
        centres.append(float(columns @ weight / weight.sum()))

    assert np.diff(centres) == pytest.approx([0.25, 0.75], abs=0.02)


def test_a_thing_partly_outside_is_cut_at_the_edge() -> None:
    painted = paint(
        BLACK, [still(plate(40, 0.5), 5, HEIGHT + 10), still(plate(40, 0.5), 475, 20)], 0
    )

    assert painted.visible.sum(axis=(1, 2)) == pytest.approx([25 * 30, 25 * 20])


def test_a_shadow_darkens_the_ground_at_the_foot() -> None:
    ground = np.full_like(BLACK, 0.5)

    painted = paint(ground, [still(plate(40, 0.5), 100, 200, shadow=0.6)], 0.0)

    assert painted.light[202, 100, 0] < 0.3
    assert painted.light[300, 300, 0] == 0.5


def test_tone_moves_a_cutout_towards_its_surroundings() -> None:
    white = np.full((20, 20, 4), 255, np.uint8)
    reddish = np.full((10, 10, 3), (0.6, 0.1, 0.1), np.float32)
    finish = Finish(flip=False, blur=0.1, tone=0.3)

    light = fitted(white, 30, finish=finish, surroundings=reddish).light

    middle = light[light.shape[0] // 2, light.shape[1] // 2]
    assert middle[0] > 1.5 * middle[1]
    assert middle[3] == pytest.approx(1)


def test_an_empty_margin_is_cut_off() -> None:
    picture = np.zeros((30, 40, 4), np.uint8)
    picture[5:15, 10:30] = 255

    assert cut(picture).shape == (10, 20, 4)
    assert cut(np.zeros((8, 9, 4), np.uint8)).shape == (8, 9, 4)


def test_the_film_is_squeezed_to_a_square_with_its_masks() -> None:
    light = BLACK.copy()
    light[:, : WIDTH // 2] = 1.0

    frame = squeezed(to_pixels(light), 224)
    mask = squeezed_mask(light[..., 0], 224)

    assert frame.shape == (224, 224, 3)
    assert np.mean((frame[..., 0] > 127) == mask) > 0.99
    assert mask.mean() == pytest.approx(0.5)


def test_things_on_a_ground_grow_towards_its_near_edge() -> None:
    spots: list[Spot] = []
    for seed in range(200):
        drawn = places(np.random.default_rng(seed), [(100, 100)] * 2)
        spots += [spot for spot in drawn if spot.shadow]

    feet, heights = np.array([(spot.depth, spot.height) for spot in spots]).T
    assert np.corrcoef(feet, heights)[0, 1] > 0.4


def test_things_stay_mostly_inside_the_film() -> None:
    for seed in range(100):
        for size in ((30, 200), (300, 60), (100, 100)):
            for spot in places(np.random.default_rng(seed), [size] * 3):
                for x, y in (spot.start, spot.end):
                    assert 0 <= x <= WIDTH
                    assert spot.height * 0.4 <= y <= HEIGHT + 0.4 * spot.height
