"""What is drawn over a film at any time."""

import numpy as np
import pytest

from service.film.film_layers import Layers
from service.understanding.smoothing import Smoother
from tests.service.film.test_overlay import half
from tests.service.made_answer import answer, region


def test_layers_stay_the_same_while_nothing_moves() -> None:
    layers = Layers(answer([[region(half())], [], [region(half())]]), (48, 64))

    found = [layers.at(time) for time in (0.0, 0.4, 0.79, 1.0, 1.5, 2.3, 2.9, 3.0, 9.0)]

    masks, text = found[0]
    assert found[1][0] is found[2][0] is masks
    assert found[1][1] is found[2][1] is text
    assert found[3] == found[4] == found[7] == found[8] == []
    assert found[5][0] is found[6][0] is masks  # the same shape again


def test_a_source_comes_up_and_goes_within_its_second() -> None:
    layers = Layers(answer([[], [region(half())], []]), (48, 64))

    shown = [layers.at(time)[0].opacity[24, 10] for time in (1.0, 1.1, 1.2, 1.5, 1.8, 1.9)]

    assert shown[0] == 0
    assert shown[1] == pytest.approx(shown[2] / 2)
    assert shown[2] == shown[3] == shown[4] == pytest.approx(0.42)
    assert shown[5] == pytest.approx(shown[3] / 2)


def test_a_source_at_the_ends_of_the_film_is_shown_from_the_first_picture_to_the_last() -> None:
    layers = Layers(answer([[region(half())]]), (48, 64))

    assert layers.at(0.0)[0].opacity[24, 10] == layers.at(0.99)[0].opacity[24, 10] > 0.4


def test_a_mask_glides_and_does_so_whether_the_answer_is_smooth_or_not() -> None:
    ends = [np.zeros((48, 64), bool) for _ in range(2)]
    ends[0][16:32, 8:24] = ends[1][16:32, 16:32] = True
    plain = answer([[region(mask)] for mask in ends])
    smoother = Smoother(step=1, parts=4, most=100)
    smooth = plain.model_copy(update={"frames": smoother.add(plain.frames), "smooth_fps": 4.0})

    for told in (plain, smooth):
        layers = Layers(told, (48, 64))
        left = [
            int(np.flatnonzero(layers.at(time)[0].colour[24, :, 0] > 90)[0])
            for time in (0.2, 0.5, 0.75, 1.0, 1.25, 1.5, 1.9)
        ]
        assert left == pytest.approx([8, 8, 10, 12, 14, 16, 16], abs=1)
        assert sorted(left) == left
