"""Films in HDR look as the same film in the usual range does."""

from dataclasses import replace

import numpy as np
import pytest

from ssuformer.clip import Clip, read_clip
from ssuformer.media.hdr import CURVES, to_usual_range
from tests.corpus.entry import HEIGHT, WIDTH
from tests.corpus.pictures import in_hdr

NAMES = ("PQ", "HLG")


def film(curve: str, colour: str) -> Clip:
    """A film of one colour of BT.709, whose white has 203 nits."""
    level = [int(colour[i : i + 2], 16) for i in (2, 4, 6)]
    picture = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
    footage = in_hdr(curve, "h264", "mp4", lambda *_: picture)
    return read_clip(replace(footage, seconds=1, fps=5, audio=None).make())


@pytest.mark.parametrize("curve", NAMES)
@pytest.mark.parametrize("colour", ["0x202020", "0x808080", "0xc08040", "0x6080a0", "0xffffff"])
def test_a_colour_in_hdr_is_shown_as_that_colour(curve: str, colour: str) -> None:
    clip = film(curve, colour)

    expected = [int(colour[i : i + 2], 16) for i in (2, 4, 6)]
    np.testing.assert_allclose(clip.frames[0, 100, 100], expected, atol=12)
    (warning,) = [warning for warning in clip.warnings if warning.code == "hdr"]
    assert curve in warning.message


def test_the_primary_colours_of_pq_are_those_of_the_usual_range() -> None:
    clip = film("PQ", "0xff0000")

    np.testing.assert_allclose(clip.frames[0, 100, 100], [255, 0, 0], atol=12)


@pytest.mark.parametrize("curve", CURVES)
def test_brighter_light_stays_brighter_and_black_stays_black(curve: int) -> None:
    greys = np.repeat(np.arange(0, 65_536, 257, dtype=np.uint16)[None, :, None], 3, axis=2)

    shown = to_usual_range(greys, curve)[0, :, 0].astype(int)

    assert (np.diff(shown) >= 0).all()
    assert (shown[0], shown[-1]) == (0, 255)
