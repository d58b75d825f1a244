"""Sound in layouts whose channels are named by the container, which crash PyAV 18 if left alone."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from ssuformer.clip import read_clip
from tests.ssuformer.footage import Footage

READ = """
import sys
from pathlib import Path
from ssuformer.clip import read_clip
for _ in range(3):
    clip = read_clip(Path(sys.argv[1]))
print(*(round(float(level), 3) for level in abs(clip.waveform).mean(1)))
"""


@pytest.mark.parametrize("layout", ["5.1", "5.1(side)", "6.1", "7.1", "quad", "hexadecagonal"])
@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_f32le", "alac"])
def test_many_channels_in_quicktime_are_heard(tmp_path: Path, layout: str, codec: str) -> None:
    if codec == "alac" and layout != "5.1":
        pytest.skip("ALAC does not hold this layout")
    many = tmp_path / "many.mov"
    silent = len(av.AudioLayout(layout).channels) - 2
    footage = Footage(seconds=3, container="mov", audio=codec, layout=layout)
    many.write_bytes(replace(footage, gains=(1, 1, *[0] * silent)).make())

    read = subprocess.run([sys.executable, "-c", READ, str(many)], capture_output=True, check=False)

    assert (read.returncode, read.stderr) == (0, b"")
    heard = [float(level) for level in read.stdout.split()]
    plain = Footage(seconds=3, container="matroska", layout="stereo").make()
    expected = np.abs(read_clip(plain).waveform).mean(1)
    np.testing.assert_allclose(heard, expected, atol=0.01)


def test_the_bass_channel_of_a_named_layout_is_left_out() -> None:
    bass = Footage(seconds=2, container="mov", audio="pcm_s16le", layout="7.1")

    clip = read_clip(replace(bass, gains=(0, 0, 0, 1, 0, 0, 0, 0)).make())

    assert np.abs(clip.waveform).max() == 0
