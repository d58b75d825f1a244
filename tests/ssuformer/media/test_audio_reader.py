"""When sound is heard, whatever its time stamps say."""

from dataclasses import replace

import numpy as np
import pytest
from av.stream import Disposition

from ssuformer.clip import Clip, Sampling, read_clip
from tests.ssuformer.footage import Footage, flash_in
from tests.ssuformer.tracks import Track, mux

FILM = Footage(seconds=20, paint=flash_in(16), beep=(16.0, 17.0), fps=10)
NOBODY = Disposition(0)


def codes(clip: Clip) -> list[str]:
    return [warning.code for warning in clip.warnings]


def onset(clip: Clip) -> float:
    """When the beep is first heard."""
    second = int(np.flatnonzero(np.abs(clip.waveform).mean(1) > 0.02)[0])
    sample = int(np.flatnonzero(np.abs(clip.waveform[second]) > 0.1)[0])
    return float(clip.times[second]) - 0.5 + sample / 16_000


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "flv"])
@pytest.mark.parametrize("pace", [0.98, 1.0, 1.02])
def test_sound_is_heard_when_its_time_stamps_say(container: str, pace: float) -> None:
    slow = Track(FILM, "audio", NOBODY, lambda time: time * pace)

    clip = read_clip(mux(container, Track(FILM, "video"), slow))

    assert onset(clip) == pytest.approx(16 * pace, abs=0.04)
    assert ("audio_clock" in codes(clip)) == (pace < 0.99)


def with_wrong_stamp(flv: bytes, near: float, wrong: float) -> bytes:
    """Return an FLV whose first sound packet from `near` on has another time stamp."""
    media, at = bytearray(flv), 13
    while at < len(media):
        kind, size = media[at], int.from_bytes(media[at + 1 : at + 4], "big")
        if kind == 8 and int.from_bytes(media[at + 4 : at + 7], "big") >= near * 1000:
            media[at + 4 : at + 7] = round(wrong * 1000).to_bytes(3, "big")
            return bytes(media)
        at += 11 + size + 4
    raise ValueError("no such packet")


@pytest.mark.parametrize("wrong", [400.0, 17.9, 2.0])
def test_one_wrong_time_stamp_moves_no_sound(wrong: float) -> None:
    media = with_wrong_stamp(replace(FILM, container="flv").make(), 10, wrong)

    clip = read_clip(media, sampling=Sampling(end=19))

    assert onset(clip) == pytest.approx(16, abs=0.03)
    assert "audio_clock" not in codes(clip)


def without(begin: float, end: float) -> Track:
    """The sound without what lies between two times, the rest moved up."""

    def retime(time: float) -> float | None:
        if begin <= time < end:
            return None
        return time if time < begin else time - (end - begin)

    return Track(FILM, "audio", NOBODY, retime)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(end=10)])
def test_sound_that_was_cut_is_pointed_out(container: str, sampling: Sampling) -> None:
    media = mux(container, Track(FILM, "video"), without(5, 7))

    clip = read_clip(media, sampling=sampling)

    assert "audio_shorter" in codes(clip)
    (message,) = [w.message for w in clip.warnings if w.code == "audio_shorter"]
    assert message.startswith(("the audio ends 2.0 s", "the audio ends 1.9 s"))


def test_sound_of_full_length_is_not() -> None:
    clip = read_clip(FILM.make())

    assert codes(clip) == []
    assert onset(clip) == pytest.approx(16, abs=0.02)
