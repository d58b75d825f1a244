"""Limits hold for the part of a clip that is asked for, and before it is read where they can."""

from dataclasses import replace

import pytest
from av.stream import Disposition

from ssuformer import errors
from ssuformer.clip import ClipReader, Limits, Sampling, read_clip
from tests.ssuformer.footage import Footage
from tests.ssuformer.tracks import Track, mux

LONG = Footage(seconds=12, fps=10, options=(("g", "10"), ("bf", "0")))
ONE_KEY = replace(LONG, options=(("g", "200"), ("bf", "0")))
PIXELS = 64 * 48


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
@pytest.mark.parametrize(("start", "end"), [(0, 3), (5, 8), (10, None)])
def test_a_part_of_a_clip_that_is_too_long_is_read(
    container: str, start: float, end: float | None
) -> None:
    media = replace(LONG, container=container).make()

    clip = read_clip(media, sampling=Sampling(start=start, end=end), limits=Limits(seconds=4))

    assert len(clip.times) == (end or 12) - start


@pytest.mark.parametrize(
    ("limits", "sampling", "actual"),
    [
        (Limits(seconds=4), Sampling(), 12),
        (Limits(seconds=4), Sampling(start=2, end=7), 5),
        (Limits(seconds=4), Sampling(start=2), 10),
        (Limits(samples=50), Sampling(fps=5), 60),
        (Limits(samples=50), Sampling(fps=10, start=2, end=8), 60),
        (Limits(decoded_pixels=60 * PIXELS), Sampling(), 115 * PIXELS),
        (Limits(frames=60), Sampling(), 115),
    ],
)
def test_a_part_over_a_limit_is_refused_before_it_is_read(
    limits: Limits, sampling: Sampling, actual: float
) -> None:
    media = ONE_KEY.make()

    with pytest.raises(errors.ClipTooLarge) as raised:
        ClipReader(media, sampling=sampling, limits=limits)

    assert float(raised.value.actual or 0) == pytest.approx(actual, rel=0.02)
    assert f"{raised.value.limit:,.0f}" in raised.value.message or "million" in raised.value.message


def test_a_film_with_many_key_frames_takes_less_decoding_at_a_low_rate() -> None:
    limits = Limits(decoded_pixels=100 * PIXELS)

    assert len(read_clip(LONG.make(), limits=limits).times) == 12

    with pytest.raises(errors.ClipTooLarge):
        ClipReader(LONG.make(), sampling=Sampling(fps=10), limits=limits)


def test_without_an_index_decoding_stops_at_the_limit() -> None:
    media = replace(ONE_KEY, container="mpegts").make()

    with pytest.raises(errors.ClipTooLarge, match="million pixels have to be decoded"):
        read_clip(media, limits=Limits(decoded_pixels=60 * PIXELS))


@pytest.mark.parametrize("sound", [False, True])
def test_a_picture_far_away_does_not_make_a_small_file_a_long_clip(*, sound: bool) -> None:
    def far_away(time: float) -> float:
        return 1867.0 if time > 0.4 else time

    film = Footage(seconds=0.8, fps=2, options=(("bf", "0"),))
    tracks = [Track(film, "video", Disposition(0), far_away)]
    tracks += [Track(film, "audio")] if sound else []
    media = mux("flv", *tracks)

    with pytest.raises(errors.ClipTooLarge, match="limit is 600 s"):
        ClipReader(media)

    assert len(read_clip(media, sampling=Sampling(end=5)).times) == 5


def test_limits_hold_on_the_timeline_that_is_answered_when_no_header_tells() -> None:
    endless = replace(LONG, container="matroska", container_options=(("live", "1"),)).make()

    with pytest.raises(errors.ClipTooLarge, match="limit is 4 s"):
        read_clip(endless, limits=Limits(seconds=4))
