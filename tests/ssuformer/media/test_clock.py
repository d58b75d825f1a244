"""Transport streams whose clock jumps are heard and seen as if it had not."""

from dataclasses import replace

import numpy as np
import pytest
from av.stream import Disposition

from ssuformer.clip import Clip, Sampling, read_clip
from tests.ssuformer.footage import Footage, flash_in
from tests.ssuformer.tracks import Track, mux

FIRST = Footage(container="mpegts", seconds=6, fps=10, paint=flash_in(1), beep=(1, 2))
SECOND = replace(FIRST, seconds=4, paint=flash_in(2), beep=(2, 3))


def later(footage: Footage, seconds: float) -> bytes:
    tracks = [
        Track(footage, "video", Disposition(0), lambda time: time + seconds),
        Track(footage, "audio", Disposition(0), lambda time: time + seconds),
    ]
    return mux("mpegts", *tracks)


def codes(clip: Clip) -> list[str]:
    return [warning.code for warning in clip.warnings]


@pytest.mark.parametrize("jump", [3600, 60, 0, -40])
def test_two_recordings_are_one_clip_whatever_the_clock_of_the_second_says(jump: int) -> None:
    media = later(FIRST, 50) + later(SECOND, 50 + jump)

    clip = read_clip(media)

    bright, loud = clip.frames.mean((1, 2, 3)) > 128, np.abs(clip.waveform).mean(1) > 0.1
    assert np.flatnonzero(bright).tolist() == [1, 8]
    assert np.flatnonzero(loud).tolist() == [1, 8]
    assert (len(clip.times), codes(clip)) == (10, ["clock_jumps"])
    assert clip.duration == pytest.approx(10, abs=0.2)
    assert "after 6." in clip.warnings[0].message or "after 5.9" in clip.warnings[0].message


def test_a_part_after_a_jump_is_found() -> None:
    media = later(FIRST, 0) + later(SECOND, 3600)

    part = read_clip(media, sampling=Sampling(start=7, end=10))

    whole = read_clip(media)
    np.testing.assert_array_equal(part.frames, whole.frames[7:])
    np.testing.assert_allclose(part.waveform, whole.waveform[7:], atol=0.02)


def test_several_jumps_are_bridged() -> None:
    media = later(FIRST, 0) + later(SECOND, 3600) + later(SECOND, 10)

    clip = read_clip(media)

    bright = np.flatnonzero(clip.frames.mean((1, 2, 3)) > 128)
    assert bright.tolist() == [1, 8, 12]
    assert codes(clip) == ["clock_jumps"]


def test_a_picture_that_stays_for_long_while_the_sound_goes_on_is_no_jump() -> None:
    still = replace(FIRST, times=(0.0, 0.1, 0.2, 15.0, 15.1), seconds=16, beep=(15, 16))

    clip = read_clip(still.make())

    assert len(clip.times) == 16
    assert np.abs(clip.waveform[15]).mean() > 0.1
    assert "clock_jumps" not in codes(clip)
