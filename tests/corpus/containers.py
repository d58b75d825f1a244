"""Every container with the codecs that are found in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.corpus.entry import CLICK, FILM, FLASH, FPS, SIZE, Input, Shown, filmed, heard

_CODECS = {
    "mp4": (
        "h264/aac hevc/aac av1/aac vp9/opus mpeg4/aac mpeg2/aac mpeg1/mp3 mjpeg/aac h264/mp3 "
        "h264/ac3 h264/eac3 h264/alac h264/flac h264/pcm h264/vorbis h264/mp2 av1/opus vp9/flac"
    ),
    "mov": (
        "h264/pcm h264/pcm_s16be h264/pcm_s24le h264/pcm_f32le h264/pcm_f64le h264/adpcm_ima_qt "
        "h264/mulaw h264/alac h264/amr hevc/aac mpeg4/alaw mjpeg/pcm prores/pcm_s24le h263/aac"
    ),
    "matroska": (
        "h264/flac h264/opus h264/vorbis h264/eac3 h264/alac h264/pcm_f32le hevc/ac3 av1/opus "
        "vp8/vorbis vp9/opus mpeg4/mp3 mpeg2/mp2 mpeg1/mp2 mjpeg/pcm prores/pcm_s24le"
    ),
    "webm": "vp8/vorbis vp8/opus vp9/opus vp9/vorbis av1/opus",
    "mpegts": (
        "h264/aac h264/mp2 h264/mp3 h264/ac3 h264/eac3 h264/opus hevc/aac mpeg4/aac mpeg2/mp2 "
        "mpeg2/ac3 mpeg1/mp2"
    ),
    "flv": (
        "flv1/mp3 flv1/pcm flv1/adpcm_swf h264/aac h264/mp3 h264/opus hevc/aac vp9/opus av1/aac"
    ),
    "avi": (
        "mpeg4/mp3 mpeg4/adpcm_ms mpeg4/adpcm_ima_wav mjpeg/pcm h264/ac3 h264/aac h264/eac3 "
        "mpeg2/mp2 flv1/pcm_u8 h263/mp3 vp8/pcm"
    ),
    "ogg": "vp8/opus vp8/vorbis vp8/flac",
    "3gp": "h263/amr mpeg4/amr h264/aac",
    "3g2": "mpeg4/aac",
    "f4v": "h264/aac",
    "ipod": "h264/alac mpeg4/aac",
    "psp": "mpeg4/aac",
    "ismv": "h264/aac",
}  # fmt: skip
"""By FFmpeg's name of the container."""

_LAYOUTS = {
    "index first": ("mp4", {"movflags": "faststart"}),
    "fragments": ("mp4", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    "fragments after the index": ("mp4", {"movflags": "frag_keyframe"}),
    "fragments of one track each": (
        "mp4", {"movflags": "frag_keyframe+empty_moov+separate_moof"}
    ),
    "segments of a stream": ("mp4", {"movflags": "cmaf+dash+delay_moov"}),
    "no edit list": ("mp4", {"use_editlist": "0"}),
    "negative composition offsets": ("mp4", {"movflags": "negative_cts_offsets"}),
    "clusters of one picture": ("matroska", {"cluster_time_limit": "10"}),
    "live Matroska": ("matroska", {"live": "1"}),
    "Matroska, index first": ("matroska", {"cues_to_front": "1", "reserve_index_space": "4096"}),
    "AAC in LATM": ("mpegts", {"mpegts_flags": "latm"}),
    "packets of 192 bytes": ("mpegts", {"mpegts_m2ts_mode": "1"}),
    "FLV without duration": ("flv", {"flvflags": "no_duration_filesize"}),
    "AVI without index": ("avi", {"write_channel_mask": "0", "reserve_index_space": "0"}),
}  # fmt: skip
"""Ways to lay out a container, by the options of its muxer."""


_THEORA, _REPEATED = (Path(__file__).with_name(f"{name}.ogv") for name in ("theora", "dropped"))
"""Written by FFmpeg's program with libtheora, which PyAV lacks: the film in H.264 and FLAC with
`-c:v libtheora -q:v 5 -c:a libvorbis -q:a 2`, and six seconds of grey noise with
`-c:v libtheora -b:v 20k -g 50`, so that most pictures are repeated."""

_PRIMING = {"aac": 1024 / 44_100, "mp3": 1105 / 44_100}
"""Seconds of sound that an encoder puts before the first."""
_UNSAID = frozenset(("mpegts", "flv", "avi", "f4v", "ismv"))
"""Containers that cannot say so: then all is that much later, and AVI counts whole pictures."""


def expected(container: str, video: str = "h264", audio: str = "aac") -> Shown:
    """Return the answer to the film in a container, with these codecs."""
    late = _PRIMING.get(audio, 0.0) if container in _UNSAID else 0.0
    shown = Shown(late=late, within=0.15, size=(140, 96) if video == "h263" else SIZE)
    if container == "avi" and late:
        return replace(shown, late=0.0, flash=FLASH + 1 / FPS, click=CLICK + late)
    return shown


def _coded() -> Iterator[Input]:
    for container, codecs in _CODECS.items():
        for pair in codecs.split():
            video, audio = pair.split("/")
            film = replace(heard(audio, filmed(video)), container=container)
            answer = expected(container, video, audio)
            yield Input("container and codec", f"{container} {video} {audio}", film.make, answer)


def _laid_out() -> Iterator[Input]:
    for name, (container, options) in _LAYOUTS.items():
        film = heard("flac" if container in ("mp4", "matroska") else "mp2", FILM)
        film = heard("mp3", film) if container == "flv" else film
        film = filmed("mpeg4", film) if container == "avi" else film
        film = replace(film, container=container, container_options=tuple(options.items()))
        if "latm" in options.get("mpegts_flags", ""):
            film = replace(film, audio="aac")
        answer = expected(
            container, audio={"libmp3lame": "mp3"}.get(film.audio or "", film.audio or "")
        )
        yield Input("layout of the file", name, film.make, answer)


def _theora() -> Iterator[Input]:
    held = Shown(("picture_held",))
    yield Input("container and codec", "ogg theora vorbis", _THEORA.read_bytes, held)
    grey = Shown(
        ("no_audio",),
        6.0,
        flash=None,
        click=None,
        size=(320, 240),
        corner=None,
        red=False,
    )
    yield Input("container and codec", "ogg theora, repeated", _REPEATED.read_bytes, grey)


INPUTS = (*_coded(), *_laid_out(), *_theora())
