import numpy as np
import pytest
from numpy.typing import NDArray

from ssuformer.clip import read_clip
from ssuformer.media.orientation import Orientation, from_matrix
from tests.ssuformer.footage import Footage, with_matrix


def corners(_: int, __: float) -> NDArray[np.uint8]:
    """Grey levels 40, 100, 160 and 220: above left and right, below left and right."""
    picture = np.empty((48, 64, 3), np.uint8)
    picture[:24, :32], picture[:24, 32:] = 40, 100
    picture[24:, :32], picture[24:, 32:] = 160, 220
    return picture


MATRICES = {
    "as stored": ((1, 0, 0, 1), [[40, 100], [160, 220]]),
    "left and right exchanged": ((-1, 0, 0, 1), [[100, 40], [220, 160]]),
    "above and below exchanged": ((1, 0, 0, -1), [[160, 220], [40, 100]]),
    "half a turn": ((-1, 0, 0, -1), [[220, 160], [100, 40]]),
    "a quarter clockwise": ((0, 1, -1, 0), [[160, 40], [220, 100]]),
    "a quarter counter-clockwise": ((0, -1, 1, 0), [[100, 220], [40, 160]]),
    "transposed": ((0, 1, 1, 0), [[40, 160], [100, 220]]),
    "transposed the other way": ((0, -1, -1, 0), [[220, 100], [160, 40]]),
    "twice as large": ((2, 0, 0, 2), [[40, 100], [160, 220]]),
    "all zeros": ((0, 0, 0, 0), [[40, 100], [160, 220]]),
    "without an inverse": ((1, 1, 1, 1), [[40, 100], [160, 220]]),
    "nearly a quarter": ((0.05, 1, -1, 0.05), [[160, 40], [220, 100]]),
}


@pytest.mark.parametrize("kind", MATRICES)
def test_a_picture_is_turned_and_mirrored_as_its_matrix_says(kind: str) -> None:
    matrix, expected = MATRICES[kind]
    media = with_matrix(Footage(seconds=1, paint=corners).make(), *matrix)

    clip = read_clip(media)

    shown = clip.frames[0].reshape(2, 112, 2, 112, 3)[:, 10:100, :, 10:100].mean((1, 3, 4))
    np.testing.assert_allclose(shown, expected, atol=8)
    sideways = abs(matrix[1]) > abs(matrix[0])
    assert (clip.info.width, clip.info.height) == ((48, 64) if sideways else (64, 48))
    assert clip.info.mirrored == (matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_orientation_follows_from_its_matrix(*, quarters: int, mirrored: bool) -> None:
    a, b, c, d = [(1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0)][quarters]
    if mirrored:
        a, c = -a, -c

    assert from_matrix(a, b, c, d) == Orientation(quarters, mirrored)
