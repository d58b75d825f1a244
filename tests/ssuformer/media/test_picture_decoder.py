"""Which pictures are decoded: those shown at the wanted times, from wherever a part begins."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from ssuformer.clip import Limits, Sampling, read_clip
from ssuformer.media.video_reader import VideoReader
from tests.ssuformer.footage import Footage


def level(time: float) -> int:
    return 8 + 4 * int(time * 5 + 1e-6)


STEPS = Footage(
    seconds=12,
    fps=5,
    paint=lambda _, time: level(time),
    options=(("preset", "medium"), ("bf", "3"), ("qp", "1"), ("sc_threshold", "0")),
    audio=None,
)
"""The picture is four grey levels brighter every fifth of a second."""

GROUPS = {
    "a key frame every second": (("g", "5"),),
    "one key frame": (("g", "200"),),
    "open groups": (("g", "10"), ("x264-params", "open-gop=1")),
    "refreshed bit by bit": (("g", "10"), ("bf", "0"), ("x264-params", "intra-refresh=1")),
}

DROPPED = Path(__file__).parents[2] / "corpus" / "dropped.ogv"
"""Theora whose encoder had so few bits that most of its packets are empty."""


def film(container: str, group: str) -> bytes:
    return replace(STEPS, container=container, options=STEPS.options + GROUPS[group]).make()


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska", "flv"])
@pytest.mark.parametrize("start", [0.05, 1.25, 5.95, 11.05])
def test_a_part_shows_the_very_pictures_of_its_times(
    container: str, group: str, start: float
) -> None:
    clip = read_clip(film(container, group), sampling=Sampling(fps=1, start=start))

    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), [*map(level, clip.times)], atol=2)
    assert len(clip.times) == round(12 - start)
    assert [warning.code for warning in clip.warnings] == ["no_audio"]


def test_a_part_of_a_transport_stream_is_found_without_an_index_in_other_codecs_too() -> None:
    media = replace(
        STEPS, container="mpegts", video="mpeg4", fps=25, options=(("g", "150"), ("qmax", "2"))
    ).make()

    clip = read_clip(media, sampling=Sampling(start=5.25))

    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), [*map(level, clip.times)], atol=2)


def read_through(media: bytes, *, fps: float, seconds: int = 12) -> VideoReader:
    reader = VideoReader(media, limits=Limits())
    for i in range(int(seconds * fps)):
        reader.at((i + 0.5) / fps)
    reader.close()
    return reader


def test_packets_up_to_the_next_wanted_key_frame_are_not_decoded() -> None:
    media = replace(STEPS, fps=30, options=(("g", "30"), ("bf", "0")), seconds=8).make()

    work = {fps: read_through(media, fps=fps, seconds=8).packets for fps in (0.5, 1, 30)}

    assert work[30] == (240, 0)
    assert work[1].decoded < 0.7 * 240
    assert work[0.5].decoded < 0.35 * 240


def test_each_picture_of_a_film_can_be_asked_for() -> None:
    clip = read_clip(film("mp4", "one key frame"), sampling=Sampling(fps=5, end=6))

    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), [*map(level, clip.times)], atol=2)


@pytest.mark.parametrize("fps", [1, 5, 25])
def test_an_empty_packet_repeats_the_picture(fps: float) -> None:
    film = DROPPED
    with av.open(film) as container:
        packets = [packet for packet in container.demux(video=0) if packet.pts is not None]
    assert sum(packet.size == 0 for packet in packets) > len(packets) / 2

    clip = read_clip(film, sampling=Sampling(fps=fps))

    seconds = len(packets) / 25
    assert clip.duration == pytest.approx(seconds, abs=0.05)
    assert len(clip.times) == pytest.approx(seconds * fps, abs=1)
    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), 128, atol=6)
    assert [warning.code for warning in clip.warnings] == ["no_audio"]


def test_a_film_of_nothing_but_repeated_pictures_after_the_first_lasts_as_long_as_they() -> None:
    times = (0.0, 0.04, 3.96)

    clip = read_clip(Footage(container="avi", video="mpeg4", times=times, audio=None).make())

    assert len(clip.times) == 4
