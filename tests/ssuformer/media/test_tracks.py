"""Which tracks of a clip are read, and what its duration is."""

import io

import av
import numpy as np
import pytest
from av.stream import Disposition

from ssuformer import errors
from ssuformer.clip import Clip, Sampling, read_clip
from tests.ssuformer.footage import Footage
from tests.ssuformer.tracks import Track, mux

FILM = Footage(paint=lambda *_: 100, beep=(2.0, 3.0), fps=10)
COMMENTARY = Footage(beep=(0.0, 1.0), fps=10)
COVER = Footage(
    seconds=0.2,
    fps=10,
    container="matroska",
    video="mjpeg",
    paint=lambda *_: 220,
    audio=None,
    options=(("strict", "unofficial"),),
)
UNREADABLE = Footage(container="matroska", video=None, audio="wavpack")
NOBODY = Disposition(0)


def codes(clip: Clip) -> list[str]:
    return [warning.code for warning in clip.warnings]


def loud_seconds(clip: Clip) -> list[int]:
    return np.flatnonzero(np.abs(clip.waveform).mean(1) > 0.05).tolist()


CLIPS = {
    "commentary first, the default second": (
        Track(FILM, "video"),
        Track(COMMENTARY, "audio"),
        Track(FILM, "audio", Disposition.default),
    ),
    "commentary first, nothing default": (
        Track(FILM, "video"),
        Track(COMMENTARY, "audio", Disposition.comment),
        Track(FILM, "audio"),
    ),
    "an unreadable sound first": (
        Track(FILM, "video"),
        Track(UNREADABLE, "audio", Disposition.default),
        Track(FILM, "audio"),
    ),
    "a thumbnail before the film": (
        Track(COVER, "video", Disposition.default),
        Track(FILM, "video"),
        Track(FILM, "audio"),
    ),
    "two films, the second by default": (
        Track(Footage(fps=10), "video"),
        Track(FILM, "video", Disposition.default),
        Track(FILM, "audio"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CLIPS)
def test_the_main_tracks_are_read_and_a_warning_names_the_others(kind: str) -> None:
    clip = read_clip(mux("matroska", *CLIPS[kind]))

    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), 100, atol=3)
    assert loud_seconds(clip) == [2]
    assert codes(clip) == ["tracks_left_out"]
    left = "video track 0" if clip.info.video_track else "audio track 0"
    assert left in clip.warnings[0].message


def test_the_tracks_to_read_can_be_chosen() -> None:
    tracks = CLIPS["two films, the second by default"]
    media = mux("mp4", *tracks, Track(COMMENTARY, "audio"))

    clip = read_clip(media, sampling=Sampling(video_track=0, audio_track=1))

    np.testing.assert_allclose(clip.frames.mean((1, 2, 3)), 20, atol=3)
    assert loud_seconds(clip) == [0]
    assert (clip.info.video_track, clip.info.audio_track) == (0, 1)
    assert codes(clip) == []


@pytest.mark.parametrize("option", ["video_track", "audio_track"])
def test_a_track_that_is_not_there_is_named_with_how_many_there_are(option: str) -> None:
    with pytest.raises(errors.OptionError, match=f"{option} is 1, the clip has 1") as raised:
        read_clip(FILM.make(), sampling=Sampling(**{option: 1}))

    assert (raised.value.limit, raised.value.actual) == (0, 1)


def test_an_unreadable_track_that_is_asked_for_is_refused() -> None:
    media = mux("matroska", *CLIPS["an unreadable sound first"])

    with pytest.raises(errors.ClipUnsupported, match="wavpack"):
        read_clip(media, sampling=Sampling(audio_track=0))


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts"])
def test_a_longer_second_sound_does_not_make_the_clip_longer(container: str) -> None:
    long = Footage(seconds=30, video=None, container="matroska")
    media = mux(
        container,
        Track(FILM, "video", Disposition.default),
        Track(FILM, "audio", Disposition.default),
        Track(long, "audio"),
    )

    clip = read_clip(media)

    assert clip.info.duration == pytest.approx(4.0, abs=0.1)
    assert clip.duration == pytest.approx(4.0, abs=0.1)
    assert codes(clip) == ["tracks_left_out"]


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "flv"])
def test_a_clip_that_does_not_start_at_zero_has_its_own_duration(container: str) -> None:
    tracks = [
        Track(FILM, "video", NOBODY, lambda time: time + 20),
        Track(FILM, "audio", NOBODY, lambda time: time + 20),
    ]

    clip = read_clip(mux(container, *tracks))

    assert clip.info.duration == pytest.approx(4.0, abs=0.15)
    assert len(clip.times) == 4
    assert loud_seconds(clip) == [2]
    assert codes(clip) == []


def test_the_tracks_made_for_these_tests_are_what_they_seem() -> None:
    media = mux("matroska", *CLIPS["commentary first, the default second"])

    with av.open(io.BytesIO(media)) as container:
        marks = [bool(s.disposition & Disposition.default) for s in container.streams.audio]

    assert marks == [False, True]
