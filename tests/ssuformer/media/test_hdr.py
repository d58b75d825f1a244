"""Films in HDR look as the same film in the usual range does."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from ssuformer.clip import Clip, read_clip
from ssuformer.media.hdr import CURVES, to_usual_range

CURVE = {"PQ": "smpte2084", "HLG": "arib-std-b67"}


def film(folder: Path, curve: str, colour: str, *, white: int = 203) -> Clip:
    """A film of one colour of BT.709, whose white has this many nits."""
    out = folder / "film.mp4"
    convert = (
        "format=gbrp,zscale=pin=709:tin=709:min=gbr:rin=full:p=2020:m=2020_ncl:r=limited:"
        f"t={CURVE[curve]}:npl={white},format=yuv420p10le"
    )
    marks = ("-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_trc", CURVE[curve])
    source = ("ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"color={colour}:s=64x64:r=5:d=1")
    subprocess.run([*source, "-vf", convert, "-c:v", "libx264", *marks, out], check=True)
    return read_clip(out)


@pytest.mark.parametrize("curve", CURVE)
@pytest.mark.parametrize("colour", ["0x202020", "0x808080", "0xc08040", "0x6080a0", "0xffffff"])
def test_a_colour_in_hdr_is_shown_as_that_colour(tmp_path: Path, curve: str, colour: str) -> None:
    clip = film(tmp_path, curve, colour)

    expected = [int(colour[i : i + 2], 16) for i in (2, 4, 6)]
    np.testing.assert_allclose(clip.frames[0, 100, 100], expected, atol=12)
    (warning,) = [warning for warning in clip.warnings if warning.code == "hdr"]
    assert curve in warning.message


def test_the_primary_colours_of_pq_are_those_of_the_usual_range(tmp_path: Path) -> None:
    clip = film(tmp_path, "PQ", "0xff0000")

    np.testing.assert_allclose(clip.frames[0, 100, 100], [255, 0, 0], atol=12)


@pytest.mark.parametrize("curve", CURVES)
def test_brighter_light_stays_brighter_and_black_stays_black(curve: int) -> None:
    greys = np.repeat(np.arange(0, 65_536, 257, dtype=np.uint16)[None, :, None], 3, axis=2)

    shown = to_usual_range(greys, curve)[0, :, 0].astype(int)

    assert (np.diff(shown) >= 0).all()
    assert (shown[0], shown[-1]) == (0, 255)
