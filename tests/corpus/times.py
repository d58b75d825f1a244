"""Films whose times are unusual: offsets, gaps, clocks that jump, rates, ends that differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from av.stream import Disposition

from tests.corpus.entry import (
    CLICK,
    FILM,
    FLASH,
    MUTE,
    SECONDS,
    Input,
    Shown,
    filmed,
    heard,
)
from tests.ssuformer.footage import Footage
from tests.ssuformer.tracks import Track, mux

_KIND = "times"
_NONE = Disposition(0)
_MP2 = heard("mp2", FILM)
"""Its encoder begins where the sound does, in every container."""
_FLAC = heard("flac", FILM)
Retime = Callable[[float], float | None]


def moved(container: str, video: Retime, audio: Retime, film: Footage = _MP2) -> bytes:
    """Return a film whose packets have other times, by track; None drops one."""
    film = replace(film, container="matroska")
    tracks = Track(film, "video", _NONE, video), Track(film, "audio", _NONE, audio)
    return mux(container, *tracks)


def film_in(container: str) -> Footage:
    """Return the film with codecs whose times every reader of the container agrees on."""
    film = {"flv": heard("mp3", FILM), "avi": heard("mp2", filmed("mpeg4"))}.get(container, _MP2)
    return replace(film, container=container)


def shown_in(container: str, **facts: Any) -> Shown:  # noqa: ANN401
    """Return the answer to that film; FLV cannot say that MP3 begins before the first sound."""
    return Shown(**{"within": 0.2, "late": 1105 / 44_100 if container == "flv" else 0.0} | facts)


def _same(time: float) -> float:
    return time


def _later(seconds: float) -> Retime:
    return lambda time: time + seconds


def _dropped(begin: float, end: float) -> Retime:
    return lambda time: None if begin <= time < end else time


def _slower(factor: float) -> Retime:
    return lambda time: time * factor


def _offset() -> Iterator[Input]:
    for container in ("mp4", "matroska", "mpegts", "flv"):
        for name, start in (("starts at 20 s", 20.0), ("starts at 7 h", 25_200.0)):
            media = partial(moved, container, _later(start), _later(start), film_in(container))
            yield Input(_KIND, f"{container} {name}", media, shown_in(container))
    for name, start in (("clock turns over", 95_442.0), ("clock is about to turn over", 95_440.0)):
        media = partial(moved, "mpegts", _later(start), _later(start))
        yield Input(_KIND, f"mpegts {name}", media, Shown(within=0.2))
    for container in ("mp4", "mov", "matroska", "mpegts", "flv"):
        film = film_in(container)
        late = replace(film, audio_start=0.5, audio_seconds=SECONDS - 0.5)
        yield Input(_KIND, f"{container} sound starts late", late.make, Shown(within=0.2))
        late = replace(film, video_start=0.5, seconds=SECONDS - 0.5, audio_seconds=SECONDS)
        expected = shown_in(container, flash=FLASH + 0.5)
        yield Input(_KIND, f"{container} pictures start late", late.make, expected)
    for container in ("mp4", "mov"):
        early = replace(FILM, video_start=-0.4, container=container, audio="alac")
        early = replace(early, options=(("g", "50"),))
        early = replace(early, container_options=(("avoid_negative_ts", "disabled"),))
        expected = Shown(("picture_held",), flash=FLASH - 0.4)
        yield Input(_KIND, f"{container} edit list cuts the start", early.make, expected)


def _rated() -> Iterator[Input]:
    for fps in (1, 5, 12, 50, 60, 120, 240):
        for container in ("mp4", "matroska"):
            film = replace(_MP2, fps=fps, container=container)
            flash = None if fps == 1 else math.ceil(FLASH * fps) / fps
            expected = shown_in(container, fps=fps, flash=flash)
            yield Input(_KIND, f"{container} {fps} per second", film.make, expected)
    ntsc = tuple(i * 1001 / 30_000 for i in range(90))
    uneven = (0.0, 0.04, 0.5, 0.52, FLASH, 1.3, 1.4, 1.41, 2.2, 2.9)
    few = (0.0, FLASH, 1.5)
    for container in ("mp4", "matroska", "mpegts", "flv"):
        film = film_in(container)
        for name, times in (("30000/1001", ntsc), ("uneven", uneven)):
            media = replace(film, times=times).make
            yield Input(_KIND, f"{container} {name}", media, shown_in(container))
        expected = shown_in(container, warnings=("picture_held",))
        media = replace(film, times=few).make
        yield Input(_KIND, f"{container} three pictures", media, expected)
    repeated = replace(
        heard("pcm", filmed("mpeg4")), times=(0.0, 0.4, FLASH, 1.4, 2.88), container="avi"
    )
    yield Input(_KIND, "avi repeated pictures", repeated.make, Shown())


def _ended() -> Iterator[Input]:
    for container in ("mp4", "matroska", "mpegts", "flv", "avi"):
        film = film_in(container)
        short = replace(film, audio_seconds=2.2)
        long = replace(film, seconds=2.0, audio_seconds=SECONDS)
        one = replace(film, times=(0.0,))
        early, held = ("audio_shorter",), ("picture_held",)
        for name, made, expected in (
            ("sound ends early", short, shown_in(container, warnings=early)),
            ("pictures end early", long, shown_in(container, warnings=held)),
            ("one picture", one, shown_in(container, warnings=held, flash=None)),
        ):
            yield Input(_KIND, f"{container} {name}", made.make, expected)
    for container in ("mp4", "matroska", "mpegts", "flv"):
        media = partial(moved, container, _same, _dropped(0.8, 1.4), film_in(container))
        yield Input(_KIND, f"{container} sound is missing midway", media, shown_in(container))
    film = replace(_MP2, options=(("g", "5"),))
    media = partial(moved, "matroska", _dropped(1.6, 2.2), _same, film)
    yield Input(_KIND, "matroska pictures are missing midway", media, Shown())


def _clocked() -> Iterator[Input]:
    for container in ("matroska", "mp4", "mpegts"):
        slow, fast = (partial(moved, container, _same, _slower(by)) for by in (0.9, 1.05))
        expected = Shown(("audio_clock",), click=CLICK * 0.9, within=0.2)
        yield Input(_KIND, f"{container} slow audio clock", slow, expected)
        expected = Shown(("picture_held",), click=CLICK * 1.05, within=0.25)
        yield Input(_KIND, f"{container} fast audio clock", fast, expected)


_TS = replace(_MP2, container="mpegts")


def _joined() -> Iterator[Input]:
    dark = replace(_TS, beep=None, paint=lambda *_: 20)
    bridged = Shown(("clock_jumps",), 2 * SECONDS, 0.3, late=SECONDS, corner=None, red=False)
    for name, jump in (("an hour later", 3600.0), ("at once", 0.0), ("earlier", -40.0)):
        before = partial(moved, "mpegts", _later(50), _later(50), dark)
        after = partial(moved, "mpegts", _later(50 + jump), _later(50 + jump))
        yield Input("joined", f"mpegts {name}", partial(_both, before, after), bridged)
    for name, film in {
        "matroska": replace(_MP2, container="matroska"),
        "live matroska": replace(_MP2, container="matroska", container_options=(("live", "1"),)),
        "webm": heard("opus", filmed("vp8", container="webm")),
        "fragments": replace(
            _FLAC,
            container_options=(("movflags", "frag_keyframe+empty_moov+default_base_moof"),),
        ),
    }.items():
        first = replace(film, beep=None, paint=lambda *_: 20).make
        yield Input("joined", name, partial(_both, first, film.make), bridged)
    for name, film in {
        "flv": heard("mp3", FILM, container="flv"),
        "ogg": heard("opus", filmed("vp8"), container="ogg"),
        "ogg flac": heard("flac", filmed("vp8"), container="ogg"),
        "ogg vorbis": heard("vorbis", filmed("vp8"), container="ogg"),
        "mp4": _FLAC,
        "mp4, index first": replace(_FLAC, container_options=(("movflags", "faststart"),)),
    }.items():
        second = replace(film, beep=None, paint=lambda *_: 20).make
        late = 1105 / 44_100 if name == "flv" else 0.0
        media = partial(_both, film.make, second)
        yield Input("joined", name, media, Shown(("films_joined",), late=late))
    film = heard("pcm", filmed("mpeg4", container="avi"))
    first = replace(film, beep=None, paint=lambda *_: 20).make
    media = partial(_both, first, film.make)
    yield Input("joined", "avi", media, replace(bridged, warnings=()))


def _both(first: Callable[[], bytes], second: Callable[[], bytes]) -> bytes:
    return first() + second()


def _wrong_last_duration(ticks: int) -> bytes:
    """Return an MP4 without sound whose last picture is said to last this many 1/12800 s."""
    times = (*(i / 25 for i in range(74)), 2.99)
    media = bytearray(replace(MUTE, times=times).make())
    at = media.index(b"stts")
    entries = int.from_bytes(media[at + 8 : at + 12], "big")
    last = at + 12 + 8 * (entries - 1) + 4
    media[last : last + 4] = ticks.to_bytes(4, "big")
    return bytes(media)


def _timescale(value: int) -> bytes:
    media = bytearray(MUTE.make())
    at = media.index(b"mdhd") + 16
    media[at : at + 4] = value.to_bytes(4, "big")
    return bytes(media)


def _absurd() -> Iterator[Input]:
    silent = Shown(("no_audio",), click=None)
    for name, ticks in (("for days", 2**31 - 1), ("a minute", 60 * 12_800)):
        media = partial(_wrong_last_duration, ticks)
        yield Input(_KIND, f"the last picture lasts {name}", media, silent)
    for scale in (0, 1, 2**32 - 1):
        # A second and more for every picture: the edit list ends after the first one.
        expected = replace(silent, flash=None)
        yield Input(_KIND, f"time scale {scale}", partial(_timescale, scale), expected)


INPUTS = (*_offset(), *_rated(), *_ended(), *_clocked(), *_joined(), *_absurd())
