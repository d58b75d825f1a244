"""Sound in layouts whose channels are named by the container, which crash PyAV 18 if left alone."""

import subprocess
import sys
from pathlib import Path

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
    if codec == "alac" and layout not in {"5.1", "6.1"}:
        pytest.skip("ALAC does not hold this layout")
    plain, many = tmp_path / "plain.mkv", tmp_path / "many.mov"
    plain.write_bytes(Footage(seconds=3, container="matroska", layout="stereo").make())
    mix = f"pan={layout}|c0=c0|c1=c1"
    copy = ["ffmpeg", "-v", "error", "-i", str(plain), "-c:v", "copy", "-af", mix, "-c:a", codec]
    subprocess.run([*copy, str(many)], check=True)

    read = subprocess.run([sys.executable, "-c", READ, str(many)], capture_output=True, check=False)

    assert (read.returncode, read.stderr) == (0, b"")
    heard = [float(level) for level in read.stdout.split()]
    expected = np.abs(read_clip(plain).waveform).mean(1)
    np.testing.assert_allclose(heard, expected, atol=0.01)


def test_the_bass_channel_of_a_named_layout_is_left_out(tmp_path: Path) -> None:
    plain, bass = tmp_path / "plain.mkv", tmp_path / "bass.mov"
    plain.write_bytes(Footage(seconds=2, container="matroska", layout="mono").make())
    copy = ["ffmpeg", "-v", "error", "-i", str(plain), "-c:v", "copy", "-af", "pan=7.1|LFE=c0"]
    subprocess.run([*copy, "-c:a", "pcm_s16le", str(bass)], check=True)

    clip = read_clip(bass)

    assert np.abs(clip.waveform).max() == 0
