"""Sound in every layout, rate, format and loudness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.corpus.entry import FILM, SECONDS, Input, Shown, heard

_LAYOUTS = {
    "flac": "mono stereo 2.1 3.0 4.0 quad 5.0 5.1 5.1(side) 6.1 7.1",
    "pcm_s24le": "stereo 3.0(back) 4.1 5.1 6.0 6.1(back) 7.0 7.1(wide) octagonal 7.1.4 22.2",
    "opus": "mono stereo 3.0 quad 5.0 5.1 6.1 7.1",
    "aac": "stereo 3.0 4.0 5.0 5.1 7.1",
    "ac3": "mono stereo 3.0 quad 5.0 5.1",
    "alac": "stereo 5.1 6.1(back) 7.1(wide)",
    "eac3": "5.1",
    "mp3": "stereo",
}
"""By codec, in Matroska."""
_NAMED = "quad 5.1 5.1(side) 6.1 7.1 hexadecagonal"
"""Layouts whose channels QuickTime names one by one."""

_GAINS = {
    "in antiphase": ("stereo", (1, -1)),
    "left only": ("stereo", (1, 0)),
    "right only": ("stereo", (0, 1)),
    "centre only": ("5.1", (0, 0, 1, 0, 0, 0)),
    "behind only": ("5.1", (0, 0, 0, 0, 0, 1)),
    "7.1 in antiphase": ("7.1", (1, -1, 0, 0, 1, -1, 1, -1)),
    "one of 24": ("22.2", (0,) * 20 + (1,) + (0,) * 3),
}
"""The factor of the tone in each channel."""

_RATES = {
    "aac": (8000, 11_025, 16_000, 22_050, 32_000, 48_000, 96_000),
    "flac": (8000, 12_345, 96_000, 192_000),
    "pcm": (4000, 16_000, 176_400),
    "mp3": (16_000, 32_000, 48_000),
    "opus": (8000, 24_000),
}
_FORMATS = ("pcm_u8", "pcm_s24be", "pcm_s32le", "pcm_f64le")


def _laid_out() -> Iterator[Input]:
    for codec, layouts in _LAYOUTS.items():
        for layout in layouts.split():
            film = replace(heard(codec, FILM), container="matroska", layout=layout, rate=48_000)
            yield Input("channel layout", f"{codec} {layout}", film.make, Shown())


def _named() -> Iterator[Input]:
    for layout in _NAMED.split():
        film = replace(FILM, audio="pcm_s16le", container="mov", layout=layout)
        yield Input("channel layout", f"mov {layout}", film.make, Shown())


def _spread() -> Iterator[Input]:
    for name, (layout, gains) in _GAINS.items():
        film = replace(FILM, audio="pcm_s16le", container="mov", layout=layout, gains=gains)
        yield Input("channel layout", name, film.make, Shown())
    bass = replace(FILM, audio="flac", container="matroska", layout="5.1", rate=48_000)
    media = replace(bass, gains=(0, 0, 0, 1, 0, 0)).make
    yield Input("channel layout", "bass only", media, Shown(("silent_audio",), click=None))


def _sampled() -> Iterator[Input]:
    for codec, rates in _RATES.items():
        for rate in rates:
            film = replace(heard(codec), container="matroska", rate=rate)
            yield Input("sample rate", f"{codec} {rate}", film.make, Shown())
    for codec in _FORMATS:
        film = replace(FILM, audio=codec, container="matroska")
        yield Input("sample format", codec, film.make, Shown())


def _loud() -> Iterator[Input]:
    flac = replace(FILM, audio="flac", container="matroska")
    faint, loud, still = (
        replace(flac, gains=(0.006,)),
        replace(flac, gains=(40.0,), beep=(2.0, SECONDS)),
        replace(flac, beep=None),
    )
    yield Input("loudness", "quiet", faint.make, Shown(("quiet_audio",), click=None))
    yield Input("loudness", "beyond full scale", loud.make, Shown(("clipped_audio",)))
    yield Input("loudness", "silent", still.make, Shown(("silent_audio",), click=None))
    yield Input(
        "loudness", "no sound", replace(FILM, audio=None).make, Shown(("no_audio",), click=None)
    )


INPUTS = (*_laid_out(), *_named(), *_spread(), *_sampled(), *_loud())
