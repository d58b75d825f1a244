import io
import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from numpy.typing import NDArray
from PIL import Image

from ssuformer import errors
from ssuformer.clip import Clip, ClipReader, Limits, Sampling, read_clip
from tests.ssuformer.footage import Footage, flash_in

SHARED_MEDIA = Path(__file__).parents[3] / "shared" / "media"


def brightness(clip: Clip) -> NDArray[np.float64]:
    means: NDArray[np.float64] = clip.frames.mean((1, 2, 3))
    return means


def loudness(clip: Clip) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.abs(clip.waveform).mean(1)
    return means


def codes(clip: Clip) -> list[str]:
    return [warning.code for warning in clip.warnings]


def coloured_halves(_: int, __: float) -> NDArray[np.uint8]:
    """Red above, blue below."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :, 0] = picture[24:, :, 2] = 255
    return picture


KINDS = {
    "mp4": Footage(),
    "webm vp9 opus": Footage(container="webm", video="libvpx-vp9", audio="libopus", rate=48_000),
    "webm vp8 opus": Footage(container="webm", video="libvpx", audio="libopus", rate=48_000),
    "mkv": Footage(container="matroska"),
    "mkv flac": Footage(container="matroska", audio="flac"),
    "mpegts": Footage(container="mpegts"),
    "avi": Footage(container="avi", video="mpeg4", audio="mp3"),
    "mov pcm": Footage(container="mov", audio="pcm_s16le"),
    "8 kHz": Footage(rate=8000),
    "5.1": Footage(layout="5.1", rate=48_000),
    "odd size": Footage(
        size=(63, 47), container="webm", video="libvpx", audio="libopus", rate=48_000
    ),
    "b-frames": Footage(options=(("preset", "medium"), ("bf", "3"))),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_flash_and_a_beep_in_one_second_land_in_the_frame_of_that_second(kind: str) -> None:
    media = replace(KINDS[kind], paint=flash_in(2), beep=(2.0, 3.0)).make()

    clip = read_clip(media)

    assert clip.frames.shape == (4, 224, 224, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.waveform.shape == (4, 16_000)
    assert clip.waveform.dtype == np.float32
    np.testing.assert_allclose(clip.times, [0.5, 1.5, 2.5, 3.5], atol=1e-6)
    assert (brightness(clip) > 128).tolist() == [False, False, True, False]
    assert (loudness(clip) > 0.05).tolist() == [False, False, True, False]
    assert codes(clip) == []
    assert clip.duration == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("kind", ["mp4", "webm vp9 opus", "8 kHz"])
def test_a_tone_keeps_its_pitch(kind: str) -> None:
    media = replace(KINDS[kind], beep=(0.0, 4.0)).make()

    clip = read_clip(media)

    spectrum = np.abs(np.fft.rfft(clip.waveform[2]))
    assert spectrum.argmax() == 440


def test_a_beep_starts_where_it_starts_to_within_ten_milliseconds() -> None:
    media = Footage(beep=(1.25, 4.0)).make()

    clip = read_clip(media)

    heard = np.flatnonzero(np.abs(clip.waveform[1]) > 0.1)[0] / 16_000
    assert heard == pytest.approx(0.25, abs=0.01)


def test_every_frame_shows_the_very_picture_of_its_time_although_others_are_skipped() -> None:
    footage = Footage(
        seconds=2.0,
        fps=20,
        paint=lambda i, _: 20 + 5 * i,
        options=(("preset", "medium"), ("bf", "3"), ("qp", "1")),
        audio=None,
    )

    clip = read_clip(footage.make(), sampling=Sampling(fps=4))

    shown = np.floor(clip.times * 20 + 1e-9)
    np.testing.assert_allclose(brightness(clip), 20 + 5 * shown, atol=2.4)


def test_a_variable_frame_rate_is_followed_by_its_times() -> None:
    times = (0.0, 0.1, 0.2, 2.02, 2.1, 3.9)
    footage = Footage(
        container="matroska", times=times, paint=lambda i, _: 40 * i, options=(("bf", "0"),)
    )

    clip = read_clip(footage.make())

    np.testing.assert_allclose(brightness(clip), [80, 80, 160, 160], atol=4)


def test_sound_that_starts_late_is_silence_until_then() -> None:
    media = Footage(
        audio_start=1.5, audio_seconds=2.5, beep=(1.5, 9.0), container="matroska"
    ).make()

    clip = read_clip(media)

    assert np.abs(clip.waveform[0]).max() < 0.01
    assert np.abs(clip.waveform[1][:7500]).max() < 0.05
    assert np.abs(clip.waveform[1][8500:]).max() > 0.3


def test_a_picture_that_starts_late_is_shown_from_the_start() -> None:
    media = Footage(video_start=1.5, seconds=2.5, audio_seconds=4.0, container="matroska",
                    paint=lambda _, time: 200 if time < 1 else 40).make()  # fmt: skip

    clip = read_clip(media)

    np.testing.assert_allclose(brightness(clip), [200, 200, 40, 40], atol=4)


@pytest.mark.parametrize(
    ("written", "applied", "red_side"),
    [(0, 0, "top"), (90, 90, "left"), (-90, 270, "right"), (180, 180, "bottom")],
)
def test_rotation_is_applied_and_reported(written: int, applied: int, red_side: str) -> None:
    media = Footage(paint=coloured_halves, rotation=written).make()

    clip = read_clip(media)

    red = clip.frames[0][..., 0] > 128
    sides = {"top": red[:90], "bottom": red[-90:], "left": red[:, :90], "right": red[:, -90:]}
    assert max(sides, key=lambda side: sides[side].mean()) == red_side
    assert clip.info.rotation == applied
    upright = applied in (0, 180)
    assert (clip.info.width, clip.info.height) == ((64, 48) if upright else (48, 64))


def test_a_clip_without_sound_is_silent_and_says_so() -> None:
    clip = read_clip(Footage(audio=None).make())

    assert not clip.waveform.any()
    assert codes(clip) == ["no_audio"]
    assert not clip.info.has_audio


def test_a_silent_sound_track_is_pointed_out() -> None:
    clip = read_clip(Footage(beep=None).make())

    assert codes(clip) == ["silent_audio"]


def test_the_last_picture_is_held_while_the_sound_goes_on() -> None:
    clip = read_clip(Footage(seconds=2, audio_seconds=4, container="matroska").make())

    assert len(clip.times) == 4
    assert codes(clip) == ["picture_held"]


def test_a_clip_shorter_than_an_interval_still_gives_one_frame() -> None:
    clip = read_clip(Footage(seconds=0.3, beep=(0, 1)).make())

    assert clip.frames.shape[0] == 1
    assert 0.1 < clip.times[0] < 0.2
    assert loudness(clip)[0] > 0.05


@pytest.mark.parametrize(("fps", "frames"), [(0.1, 1), (0.5, 2), (2, 8), (10, 40)])
def test_as_many_frames_are_taken_as_asked_for(fps: float, frames: int) -> None:
    clip = read_clip(Footage().make(), sampling=Sampling(fps=fps))

    assert len(clip.times) == frames


def test_a_part_of_a_clip_is_the_same_as_in_the_whole() -> None:
    media = Footage(seconds=6, paint=flash_in(4), beep=(4, 5), rate=16_000).make()

    part = read_clip(media, sampling=Sampling(start=3, end=5))

    whole = read_clip(media)
    np.testing.assert_allclose(part.times, [3.5, 4.5])
    np.testing.assert_array_equal(part.frames, whole.frames[3:5])
    np.testing.assert_allclose(part.waveform, whole.waveform[3:5], atol=0.02)


def test_a_start_after_the_end_names_the_end() -> None:
    with pytest.raises(errors.OptionError, match=r"ends at 4\.\d+ s"):
        read_clip(Footage().make(), sampling=Sampling(start=60))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e308, -1.0])
@pytest.mark.parametrize("option", ["start", "end", "fps"])
def test_a_time_that_is_none_is_refused_by_name(option: str, value: float) -> None:
    with pytest.raises(errors.OptionError, match=f"{option} is "):
        Sampling(**{option: value})  # type: ignore[arg-type]


def test_bytes_a_path_and_a_descriptor_give_the_same(tmp_path: Path) -> None:
    media = Footage().make()
    path = tmp_path / "clip"
    path.write_bytes(media)
    descriptor = os.open(path, os.O_RDONLY)

    clips = [read_clip(source) for source in (media, path, descriptor)]

    os.close(descriptor)
    for clip in clips[1:]:
        np.testing.assert_array_equal(clip.frames, clips[0].frames)
        np.testing.assert_array_equal(clip.waveform, clips[0].waveform)


def picture(kind: str) -> bytes:
    file = io.BytesIO()
    image = Image.new("RGB", (64, 48), "red")
    image.save(file, kind, save_all=kind == "GIF")
    return file.getvalue()


def with_attached_picture() -> bytes:
    """Sound with a cover: one JPEG in a video stream that is no video."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        audio = Footage().add_audio(container)
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        container.mux(cover.encode(av.VideoFrame(64, 48, "yuvj420p")))
        container.mux(cover.encode())
        container.mux(list(Footage().sounds(audio)))
    return file.getvalue()


REFUSED: dict[str, tuple[Callable[[], bytes], type[errors.ClipError]]] = {
    "nothing": (lambda: b"", errors.ClipEmpty),
    "text": (lambda: b"this is not a clip\n" * 50, errors.ClipUnreadable),
    "PNG": (lambda: picture("PNG"), errors.ClipHasNoVideo),
    "GIF": (lambda: picture("GIF"), errors.ClipHasNoVideo),
    "JPEG": (lambda: picture("JPEG"), errors.ClipHasNoVideo),
    "m4a": (Footage(video=None).make, errors.ClipHasNoVideo),
    "mp3": (Footage(video=None, container="mp3", audio="mp3").make, errors.ClipHasNoVideo),
    "wav": (Footage(video=None, container="wav", audio="pcm_s16le").make, errors.ClipHasNoVideo),
    "cover": (with_attached_picture, errors.ClipHasNoVideo),
    "codec": (Footage(container="avi", video="ffv1", audio=None).make, errors.ClipUnsupported),
    "format": (Footage(container="nut", video="mpeg4", audio=None).make, errors.ClipUnsupported),
    "headless": (lambda: Footage().make()[3000:], errors.ClipUnreadable),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_clip_is_refused_with_the_reason(kind: str) -> None:
    make, error = REFUSED[kind]
    media = make()

    with pytest.raises(error) as raised:
        read_clip(media)

    assert type(raised.value) is error


def test_a_playlist_cannot_open_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret.mp4").write_bytes(Footage().make())
    playlist = tmp_path / "clip.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile '{tmp_path / 'secret.mp4'}'\n")

    with pytest.raises(errors.ClipUnsupported):
        read_clip(playlist)


def test_a_faststart_clip_cut_in_half_is_truncated() -> None:
    options = (("movflags", "faststart"),)
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    media = Footage(container_options=options, paint=lambda i, _: np.roll(noise, i, 1)).make()

    with pytest.raises(errors.ClipTruncated) as raised:
        read_clip(media[: int(len(media) * 0.4)])

    assert raised.value.limit == pytest.approx(4.0, abs=0.1)


def test_a_clip_that_lacks_its_last_fifth_is_read_with_a_warning() -> None:
    options = (("movflags", "faststart"),)
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    media = Footage(container_options=options, paint=lambda i, _: np.roll(noise, i, 1)).make()

    clip = read_clip(media[: int(len(media) * 0.8)])

    assert "clip_incomplete" in codes(clip)


def noisy(seconds: float = 4.0) -> bytes:
    rng = np.random.default_rng(1)
    return Footage(
        seconds=seconds,
        container="matroska",
        paint=lambda *_: rng.integers(0, 255, (48, 64, 3)).astype(np.uint8),
    ).make()


def flipped(media: bytes, share: float) -> bytes:
    rng = np.random.default_rng(2)
    data = np.frombuffer(media, np.uint8).copy()
    at = rng.integers(2000, len(data), int(len(data) * share))
    data[at] ^= 255
    return data.tobytes()


def test_a_few_flipped_bytes_are_a_warning() -> None:
    clip = read_clip(flipped(noisy(), 0.00005), sampling=Sampling(fps=10))

    assert "pictures_damaged" in codes(clip)


def test_many_flipped_bytes_are_an_error_about_the_clip() -> None:
    with pytest.raises(errors.ClipError):
        read_clip(flipped(noisy(), 0.01))


@pytest.mark.parametrize(
    "limits",
    [
        Limits(bytes=1000),
        Limits(pixels=64 * 48 - 1),
        Limits(frames=20),
        Limits(seconds=3),
    ],
)
@pytest.mark.parametrize("kind", ["mp4", "mpegts"])
def test_over_a_cap_it_names_the_limit_and_what_was_sent(limits: Limits, kind: str) -> None:
    media = KINDS[kind].make()

    with pytest.raises(errors.ClipTooLarge) as raised:
        read_clip(media, limits=limits)

    assert raised.value.limit in (1000, 64 * 48 - 1, 20, 3)
    assert float(raised.value.actual or 0) > float(raised.value.limit or 0)


def peak_while_reading(seconds: float) -> int:
    media = Footage(seconds=seconds, fps=5, container="matroska", audio="libopus", rate=48_000)
    source = media.make()
    tracemalloc.start()
    with ClipReader(source) as reader:
        frames = sum(len(chunk.times) for chunk in reader.chunks(4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert frames == seconds
    return peak


def test_memory_does_not_grow_with_the_length_of_the_clip() -> None:
    short, long = peak_while_reading(8), peak_while_reading(40)

    assert long < short * 1.1 + 100_000


@pytest.mark.parametrize("name", ["bbb480.mp4", "crystal.mp4", "frog.webm", "rabbit320.mp4"])
def test_clips_made_by_others_are_read(name: str) -> None:
    path = SHARED_MEDIA / name
    if not path.exists():
        pytest.skip("clips made by others are not here")

    clip = read_clip(path)

    assert len(clip.times) == pytest.approx(clip.duration, abs=1)
    assert codes(clip) == []
