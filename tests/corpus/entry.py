"""What an input of the corpus is: how it is made, and what has to be answered to it.

Every film is dark with a red quarter at its top left, turns white at FLASH, and clicks at CLICK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.ssuformer.footage import TIME_BASE, Footage

SIZE = WIDTH, HEIGHT = 128, 96
SECONDS, FPS = 3.0, 25
FLASH = 1.2
"""Seconds at which the picture turns white."""
CLICK = 2.0
"""Seconds at which the sound sets in."""
_FLASH_SECONDS, _CLICK_SECONDS = 0.2, 0.06
_DARK, _RED = (20, 20, 20), (200, 70, 70)


@dataclass(frozen=True, slots=True)
class Shown:
    """A film that is answered, and the facts that the answer must have."""

    warnings: tuple[str, ...] = ()
    """The codes of all warnings, in their order."""
    seconds: float = SECONDS
    within: float = 0.12
    """Seconds by which the duration may differ."""
    flash: float | None = FLASH
    """When the picture turns white, to within one picture of the film; None: never."""
    click: float | None = CLICK
    """When the sound sets in, to within 20 ms; None: never."""
    late: float = 0.0
    """By how much both are later, in seconds."""
    fps: float = FPS
    size: tuple[int, int] = SIZE
    """Width and height, displayed."""
    rotation: int = 0
    mirrored: bool = False
    corner: str | None = "top left"
    """Where the red quarter is displayed."""
    red: bool = True
    """Whether that quarter is red; otherwise it is only brighter."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that is refused: the error's code, and what its message says."""

    code: str
    message: str = ""
    """A regular expression."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input: its kind and name, its bytes, and the answer."""

    kind: str
    name: str
    media: Callable[[], bytes]
    expected: Shown | Refused

    @property
    def title(self) -> str:
        """Kind and name, which together are unique."""
        return f"{self.kind}: {self.name}"

    def make(self, path: Path) -> None:
        """Write the input to a file."""
        path.write_bytes(self.media())


def scene(_: int, time: float) -> NDArray[np.uint8]:
    """Return the picture of a time, RGB [h w 3]."""
    picture = np.full((HEIGHT, WIDTH, 3), _DARK, np.uint8)
    picture[: HEIGHT // 2, : WIDTH // 2] = _RED
    if FLASH - 1e-6 <= time < FLASH + _FLASH_SECONDS - 1e-6:
        picture[:] = 255
    return picture


FILM = Footage(seconds=SECONDS, size=SIZE, paint=scene, beep=(CLICK, CLICK + _CLICK_SECONDS))
"""What most inputs are variations of."""
MUTE = replace(FILM, audio=None)


@dataclass(frozen=True, slots=True)
class Encoder:
    """A video encoder of PyAV, set to be quick."""

    name: str
    options: tuple[tuple[str, str], ...] = ()
    pixels: str = "yuv420p"
    base: Fraction = TIME_BASE


_BY_PICTURE = Fraction(1, FPS)
_QUICK = (("deadline", "realtime"), ("cpu-used", "8"))
VIDEO: Mapping[str, Encoder] = MappingProxyType({
    "h264": Encoder("libx264"),
    "hevc": Encoder(
        "libx265", (("preset", "ultrafast"), ("x265-params", "log-level=none:pools=none"))
    ),
    "av1": Encoder("libsvtav1", (("preset", "12"), ("svtav1-params", "lp=1"))),
    "vp8": Encoder("libvpx", _QUICK),
    "vp9": Encoder("libvpx-vp9", _QUICK),
    "mpeg4": Encoder("mpeg4"),
    "mpeg2": Encoder("mpeg2video", base=_BY_PICTURE),
    "mpeg1": Encoder("mpeg1video", base=_BY_PICTURE),
    "mjpeg": Encoder("mjpeg", pixels="yuvj420p", base=_BY_PICTURE),
    "prores": Encoder("prores_ks", pixels="yuv422p10le"),
    "flv1": Encoder("flv", base=_BY_PICTURE),
    "h263": Encoder("h263", base=_BY_PICTURE),
})  # fmt: skip
"""The video codecs that PyAV can encode, of those the service reads; Theora it can only decode."""
AUDIO: Mapping[str, tuple[str, dict[str, Any]]] = MappingProxyType({
    "opus": ("libopus", {"rate": 48_000}),
    "vorbis": ("vorbis", {"layout": "stereo", "audio_options": (("strict", "-2"),)}),
    "mp3": ("libmp3lame", {}),
    "amr": ("libopencore_amrnb", {"rate": 8000}),
    "alaw": ("pcm_alaw", {"rate": 8000}),
    "mulaw": ("pcm_mulaw", {"rate": 8000}),
    "pcm": ("pcm_s16le", {}),
    "silent": ("aac", {"beep": None}),
})  # fmt: skip
"""Audio codecs whose encoder has another name or needs settings; others are as they are named."""


def filmed(video: str, film: Footage = FILM, **changed: Any) -> Footage:  # noqa: ANN401
    """Return a film in another video codec."""
    encoder = VIDEO[video]
    coded = replace(film, video=encoder.name, options=encoder.options, pixels=encoder.pixels)
    return replace(coded, **{"base": encoder.base} | changed)


def heard(audio: str, film: Footage = FILM, **changed: Any) -> Footage:  # noqa: ANN401
    """Return a film in another audio codec."""
    encoder, settings = AUDIO.get(audio, (audio, {}))
    return replace(film, **{"audio": encoder} | settings | changed)
