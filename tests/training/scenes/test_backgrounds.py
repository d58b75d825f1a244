import numpy as np
import pytest
from PIL import Image

from training.scenes.backgrounds import PAINTERS, background


def test_the_same_seed_gives_the_same_background() -> None:
    assert (background((1, 2, 3), 96) == background((1, 2, 3), 96)).all()
    assert (background((1, 2, 3), 96) != background((1, 2, 4), 96)).any()


def test_a_background_is_the_same_picture_at_any_resolution() -> None:
    for number in range(12):
        small = background((5, number), 96).astype(float)
        large = Image.fromarray(background((5, number), 288)).resize((96, 96), Image.Resampling.BOX)

        assert np.abs(small - np.asarray(large)).mean() < 18


@pytest.mark.parametrize("painter", list(dict.fromkeys(PAINTERS)))
def test_every_painter_paints_colours_in_range(painter: object) -> None:
    assert callable(painter)
    for seed in range(4):
        picture = painter(np.random.default_rng(seed), 64)

        assert picture.shape == (64, 64, 3)
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert picture.min() > -0.5
        assert picture.max() < 1.5
