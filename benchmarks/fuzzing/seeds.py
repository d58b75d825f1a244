"""Small clips of every container and codec that is accepted: made on the spot, or from files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from tests.ssuformer.footage import Footage, flash_in

_PIXELS = {"mjpeg": "yuvj420p", "prores": "yuv422p10le"}
_WHOLE_RATE = ("mpeg1video", "mpeg2video")
"""Codecs whose pictures come at one of a few rates."""


class Seed(Footage):
    """Footage in codecs that take only some formats and rates, too."""

    def _add_video(self, container: OutputContainer) -> VideoStream:
        video = super()._add_video(container)
        video.pix_fmt = _PIXELS.get(str(self.video), "yuv420p")
        if self.video in _WHOLE_RATE:
            video.codec_context.time_base = Fraction(1, self.fps)
        return video

    def add_audio(self, container: OutputContainer) -> AudioStream:
        """Add the sound; FFmpeg's own encoder of Vorbis is an experiment."""
        stream = super().add_audio(container)
        stream.codec_context.options = {"strict": "experimental"}
        return stream


_BASE = Seed(seconds=1.6, fps=10, size=(64, 48), paint=flash_in(1), beep=(0.4, 1.2), rate=16_000)
_X264, _X265, _AV1 = "libx264", "libx265", "libsvtav1"
_VP9 = "libvpx-vp9"
_FAST = {
    _X265: (("preset", "ultrafast"), ("x265-params", "log-level=none:pools=1")),
    _AV1: (("preset", "12"),),
    "libvpx": (("deadline", "realtime"),),
    _VP9: (("deadline", "realtime"), ("cpu-used", "8")),
}
_PAIRS: dict[str, tuple[tuple[str | None, ...], tuple[str | None, ...]]] = {
    "mp4": (
        (_X264, _X265, _VP9, _AV1, "mpeg4", "mpeg2video"),
        ("aac", "libmp3lame", "ac3", "eac3", "libopus", "flac", "alac", None),
    ),
    "mov": (
        (_X264, "mpeg4", "mjpeg", "prores"),
        ("aac", "pcm_s16le", "pcm_s24be", "pcm_f32le", "adpcm_ima_qt", "alac"),
    ),
    "3gp": (("h263", "mpeg4"), ("aac", "libopencore_amrnb")),
    "matroska": (
        (_X264, _X265, "libvpx", _VP9, _AV1, "mpeg4", "mpeg2video", "mpeg1video", "mjpeg"),
        ("aac", "libmp3lame", "mp2", "libopus", "vorbis", "flac", "ac3", "pcm_u8", "pcm_f64le"),
    ),
    "webm": (("libvpx", _VP9, _AV1), ("libopus", "vorbis")),
    "avi": (
        ("mpeg4", _X264, "mjpeg", "mpeg1video"),
        ("libmp3lame", "mp2", "pcm_s16le", "adpcm_ms", "adpcm_ima_wav", "ac3"),
    ),
    "mpegts": (
        (_X264, _X265, "mpeg2video", "mpeg1video", "mpeg4"),
        ("aac", "mp2", "libmp3lame", "ac3", "eac3", "libopus"),
    ),
    "flv": (("flv", _X264), ("libmp3lame", "aac", "adpcm_swf")),
    "ogg": (("libvpx",), ("libopus", "vorbis", "flac")),
}
_RATES = {"libopencore_amrnb": 8_000, "libopus": 48_000, "flv": 22_050, "vorbis": 44_100}


def recipes() -> Iterator[tuple[str, Footage]]:
    """Yield the name and recipe of each seed, always in the same order."""
    for container, (videos, audios) in _PAIRS.items():
        most = max(len(videos), len(audios))
        pairs = {(videos[i % len(videos)], audios[i % len(audios)]) for i in range(most)}
        pairs |= {(videos[0], audio) for audio in audios} | {(video, audios[0]) for video in videos}
        for video, audio in sorted(pairs, key=str):
            yield f"{container}-{video}-{audio}", _recipe(container, video, audio)
    yield from _odd_ones()


def _recipe(container: str, video: str | None, audio: str | None) -> Footage:
    rate = _RATES.get(audio or "", _RATES.get(container, 16_000))
    rate = 32_000 if audio in {"ac3", "eac3", "mp2", "libmp3lame"} and container != "flv" else rate
    return replace(
        _BASE,
        container=container,
        video=video,
        audio=audio,
        rate=rate,
        layout="stereo" if audio == "vorbis" else "mono",
        fps=25 if video in _WHOLE_RATE else _BASE.fps,
        size=(176, 144) if video == "h263" else _BASE.size,
        options=_FAST.get(video or "", ()),
    )


def _odd_ones() -> Iterator[tuple[str, Footage]]:
    """Yield clips that are laid out, timed or sized in unusual ways."""
    layouts = {
        "faststart": (("movflags", "faststart"),),
        "fragmented": (("movflags", "frag_keyframe+empty_moov"),),
        "fragmented-base": (("movflags", "frag_every_frame+empty_moov+default_base_moof"),),
        "dash": (("movflags", "dash+frag_keyframe"),),
        "edit-list-none": (("use_editlist", "0"),),
    }
    for name, options in layouts.items():
        yield f"mp4-{name}", replace(_BASE, container_options=options)
    for container in ("mp4", "matroska", "mpegts", "mov"):
        odd = replace(_BASE, container=container)
        yield f"{container}-turned", replace(odd, rotation=90)
        yield f"{container}-late-sound", replace(odd, audio_start=0.7)
        yield f"{container}-late-picture", replace(odd, video_start=0.7)
        yield f"{container}-uneven", replace(odd, times=(0.0, 0.04, 0.5, 0.54, 1.3))
        yield f"{container}-surround", replace(odd, layout="5.1", audio="ac3", rate=48_000)
        yield f"{container}-b-frames", replace(odd, options=(("bf", "3"), ("g", "8")))
        yield f"{container}-silent", replace(odd, audio=None)
        yield f"{container}-one-picture", replace(odd, times=(0.0,), audio_seconds=1.0)
        yield f"{container}-wide", replace(odd, size=(640, 16))
        yield f"{container}-interlaced", replace(odd, options=(("flags", "+ilme+ildct"),))


def made_seeds(folder: Path) -> dict[str, bytes]:
    """Return the seeds by name, kept in a folder; recipes that cannot be made here are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("SVT_LOG", "1")  # only errors
    for name, recipe in recipes():
        path = folder / name
        if not path.exists():
            path.write_bytes(_made(recipe))
    return read_seeds(folder)


def _made(recipe: Footage) -> bytes:
    try:
        return recipe.make()
    except (av.error.FFmpegError, ValueError):
        return b""


def read_seeds(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, and of those in it, by name; empty ones are left out."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: clip for name, clip in found.items() if clip}
