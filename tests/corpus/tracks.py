"""Clips of several tracks, of which the right ones are read."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import av
from av.packet import Packet
from av.stream import Disposition

from tests.corpus.entry import FILM, HEIGHT, WIDTH, Input, Shown, filmed, heard
from tests.ssuformer.footage import Footage
from tests.ssuformer.tracks import Track, mux

_FILM = heard("mp2", FILM)
_OTHER = replace(_FILM, paint=lambda *_: 120, beep=(0.2, 0.9))
"""What may be neither seen nor heard."""
_LONG = replace(_OTHER, seconds=30.0, fps=2)
_UNREADABLE = replace(_OTHER, audio="wavpack", container="matroska")
_UNSEEN = replace(_OTHER, video="ffv1", container="matroska", options=())
_COVER = replace(filmed("mjpeg", _OTHER, container="matroska"), seconds=0.04, size=(WIDTH, HEIGHT))
_DEFAULT, _NOTHING = Disposition.default, Disposition(0)
_COMMENT, _DESCRIBED = Disposition.comment, Disposition.visual_impaired


def _seen(film: Footage = _FILM, mark: Disposition = _NOTHING) -> Track:
    return Track(film, "video", mark)


def _sound(film: Footage = _FILM, mark: Disposition = _NOTHING) -> Track:
    return Track(film, "audio", mark)


_MIXES = {
    "commentary first, marked": (_seen(), _sound(_OTHER, _COMMENT), _sound()),
    "description first, marked": (_seen(), _sound(_OTHER, _DESCRIBED), _sound()),
    "the second sound is the default": (_seen(), _sound(_OTHER), _sound(_FILM, _DEFAULT)),
    "the second film is the default": (_seen(_OTHER), _seen(_FILM, _DEFAULT), _sound()),
    "unreadable sound first": (_seen(), _sound(_UNREADABLE, _DEFAULT), _sound()),
    "unreadable film first": (_seen(_UNSEEN, _DEFAULT), _seen(), _sound()),
    "a thumbnail first": (_seen(_COVER, _DEFAULT), _seen(), _sound()),
    "sound before the film": (_sound(), _seen()),
    "a longer second sound": (_seen(), _sound(), _sound(_LONG)),
    "a longer second film": (_seen(), _seen(_LONG), _sound()),
}
"""Tracks in Matroska."""
_ALONE = {"sound before the film"}
_ELSEWHERE = {
    "mp4": ("the second sound is the default", "a longer second sound", "sound before the film"),
    "mov": ("the second sound is the default", "a longer second film"),
    "mpegts": ("description first, marked", "a longer second sound"),
}
"""The same in other containers."""


def _expected(name: str) -> Shown:
    return Shown(() if name in _ALONE else ("tracks_left_out",), within=0.2)


_TEXTS = {
    "matroska subrip": b"Hello",
    "matroska ass": b"0,0,Default,,0,0,0,,Hello",
    "mp4 mov_text": b"\0\5Hello",
    "mov mov_text": b"\0\5Hello",
    "mpegts dvbsub": b"Hello",
}
"""A container, a codec of subtitles, and what a packet of it holds."""
_TEN_HOURS = 36_001


def _with_text(name: str) -> bytes:
    """Return the film with a subtitle that is shown for ten hours."""
    container, codec = name.split()
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(_FILM.make()), "r") as film,
        av.open(file, "w", format=container) as clip,
    ):
        copies = {track.index: clip.add_stream_from_template(track) for track in film.streams}
        texts = clip.add_mux_stream(codec)
        texts.time_base = Fraction(1, 1000)
        text: Packet[Any] = Packet(_TEXTS[name])
        text.stream, text.time_base = texts, Fraction(1, 1000)
        text.pts = text.dts = 0
        text.duration = _TEN_HOURS * 1000
        first, *others = (packet for packet in film.demux() if packet.dts is not None)
        for packet in (first, text, *others):
            if packet is not text:
                packet.stream = copies[packet.stream.index]
            clip.mux(packet)
    return file.getvalue()


def _with_cover(container: str) -> bytes:
    """Return the film with a cover picture, which is no film."""
    cover = Track(_COVER, "video", Disposition.attached_pic)
    return mux(container, _seen(), _sound(), cover)


INPUTS = (
    *(
        Input("tracks", f"{name} for ten hours", partial(_with_text, name), Shown(within=0.2))
        for name in _TEXTS
    ),
    Input("tracks", "mp4 cover", partial(_with_cover, "mp4"), Shown(within=0.2)),
    *(
        Input("tracks", f"matroska {name}", partial(mux, "matroska", *mix), _expected(name))
        for name, mix in _MIXES.items()
    ),
    *(
        Input(
            "tracks", f"{container} {name}", partial(mux, container, *_MIXES[name]), _expected(name)
        )
        for container, names in _ELSEWHERE.items()
        for name in names
    ),
)
