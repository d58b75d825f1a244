"""Clips of several tracks, of which the right ones are read."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

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


INPUTS = (
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
