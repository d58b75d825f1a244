import numpy as np
import pytest
from PIL import Image

from training.scenes.attributes import colour_of, direction_of, place_of, size_of


def _mask(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros((100, 100), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((0, 0, 20, 20), "at the top left"),
        ((80, 40, 100, 60), "on the right"),
        ((40, 40, 60, 60), "in the middle"),
        ((40, 70, 60, 100), "at the bottom"),
        ((0, 0, 0, 0), "in the middle"),
    ],
)
def test_the_place_is_where_the_centre_lies(box: tuple[int, int, int, int], place: str) -> None:
    assert place_of(_mask(*box)) == place


def test_size_is_told_only_at_the_extremes() -> None:
    sizes = [size_of(_mask(0, 0, side, side)) for side in (10, 25, 50)]

    assert sizes == ["small", None, "large"]


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((250, 20, 20), "red"),
        ((250, 150, 20), "orange"),
        ((240, 230, 30), "yellow"),
        ((30, 160, 40), "green"),
        ((30, 60, 220), "blue"),
        ((140, 40, 200), "purple"),
        ((240, 110, 190), "pink"),
        ((110, 65, 30), "brown"),
        ((15, 15, 15), "black"),
        ((130, 130, 130), "grey"),
        ((245, 245, 245), "white"),
    ],
)
def test_a_plain_colour_is_named(rgb: tuple[int, int, int], name: str) -> None:
    assert colour_of(Image.new("RGBA", (40, 30), (*rgb, 255))) == name


def test_a_motley_thing_has_no_colour() -> None:
    rainbow = Image.new("RGBA", (30, 10), (250, 20, 20, 255))
    rainbow.paste((30, 160, 40, 255), (10, 0, 20, 10))
    rainbow.paste((30, 60, 220, 255), (20, 0, 30, 10))

    assert colour_of(rainbow) is None


def test_what_is_transparent_has_no_colour() -> None:
    assert colour_of(Image.new("RGBA", (30, 10), (250, 20, 20, 0))) is None


@pytest.mark.parametrize(
    ("end", "seconds", "direction"),
    [
        ((0.9, 0.6), 5, "right"),
        ((0.1, 0.6), 5, "left"),
        ((0.5, 0.1), 5, "up"),
        ((0.5, 0.9), 5, "down"),
        ((0.9, 0.5), 10, None),
    ],
)
def test_a_direction_is_told_of_what_moves_visibly(
    end: tuple[float, float], seconds: float, direction: str | None
) -> None:
    assert direction_of((0.5, 0.5), end, seconds) == direction
