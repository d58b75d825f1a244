"""Composed scenes as films: mp4 (H.264, AAC) or webm (VP9, Opus), with their ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av

from ssuformer.contract import SAMPLE_RATE
from ssuformer.errors import ConfigError
from training.data.layout import Truth, UnseenThing, things, write_truth
from training.scenes.composer import Composer, Take
from training.scenes.mixing import Wave
from training.scenes.raster import Pixels, RenderedFrame
from training.scenes.script import Script

SHORT_SIDE = 360
BACKGROUND_SIDE = 960

_AUDIO_RATE = 48_000


@dataclass(frozen=True, slots=True)
class Codecs:
    """Codecs of a film format."""

    video: str
    audio: str
    video_options: dict[str, str]


CODECS = {
    # Without mbtree=0, x264's look-ahead decides differently from run to run on AVX-512.
    ".mp4": Codecs(
        "libx264",
        "aac",
        {"crf": "20", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"},
    ),
    ".webm": Codecs(
        "libvpx-vp9",
        "libopus",
        {"crf": "31", "b": "0", "deadline": "realtime", "cpu-used": "8", "threads": "1"},
    ),
}


def film_size(aspect: float, short_side: int = SHORT_SIDE) -> tuple[int, int]:
    """Return (height, width), both even, of a film of this width over height."""
    long_side = 2 * round(short_side * max(aspect, 1 / aspect) / 2)
    return (short_side, long_side) if aspect >= 1 else (long_side, short_side)


def write_film(
    path: Path,
    script: Script,
    composer: Composer,
    *,
    fps: int = 25,
    short_side: int = SHORT_SIDE,
) -> Path:
    """Render a script to `path` and write `<name>.truth.json` beside it; return the latter's path.

    The suffix selects the codecs. The same script gives the same bytes. The truth of a second
    is that of the frame in its middle. Raises ConfigError for an unknown suffix.
    """
    codecs = CODECS.get(path.suffix.lower())
    if codecs is None:
        raise ConfigError(f"{path.name}: the suffix of a film must be {' or '.join(CODECS)}")
    size = film_size(script.aspect, short_side)
    take = composer.take(script, size, background_side=BACKGROUND_SIDE)
    middles: list[RenderedFrame] = []
    with av.open(str(path), "w", container_options={"fflags": "+bitexact"}) as container:
        reels = _Reels(container, codecs, fps=fps, size=size)
        sound = composer.sound(script)
        for second in range(script.seconds):
            pictures = [take.raster.picture(second + k / fps) for k in range(fps)]
            middles.append(pictures[fps // 2])
            reels.add(
                [picture.rgb for picture in pictures],
                sound[second * SAMPLE_RATE : (second + 1) * SAMPLE_RATE],
            )
        reels.close()
    return write_truth(path.parent, _truth(path, composer, take, middles, fps=fps))


class _Reels:
    """The video and audio streams of a film being written."""

    def __init__(
        self,
        container: av.container.OutputContainer,
        codecs: Codecs,
        *,
        fps: int,
        size: tuple[int, int],
    ) -> None:
        self._container, self._written = container, 0
        self._video = cast(
            av.VideoStream,
            container.add_stream(codecs.video, rate=fps, options=codecs.video_options),
        )
        self._video.height, self._video.width = size
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.flags |= av.codec.context.Flags.bitexact
        self._audio = cast(
            av.AudioStream, container.add_stream(codecs.audio, rate=_AUDIO_RATE, layout="mono")
        )
        self._audio.codec_context.flags |= av.codec.context.Flags.bitexact
        self._resampler = av.AudioResampler(
            format=self._audio.format.name, layout="mono", rate=_AUDIO_RATE
        )

    def add(self, frames: list[Pixels], sound: Wave) -> None:
        """Append a second."""
        for rgb in frames:
            picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            self._container.mux(self._video.encode(picture))
        samples = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        samples.sample_rate = SAMPLE_RATE
        samples.pts, samples.time_base = self._written, Fraction(1, SAMPLE_RATE)
        self._written += len(sound)
        self._hear(samples)

    def close(self) -> None:
        """Flush the encoders."""
        self._container.mux(self._video.encode(None))
        self._hear(None)
        self._container.mux(self._audio.encode(None))

    def _hear(self, samples: av.AudioFrame | None) -> None:
        for frame in self._resampler.resample(samples):
            self._container.mux(self._audio.encode(frame))


def _truth(
    path: Path, composer: Composer, take: Take, middles: list[RenderedFrame], *, fps: int
) -> Truth:
    script, (height, width) = take.script, middles[0].actor.shape
    return Truth(
        film=path.name,
        height=height,
        width=width,
        fps=fps,
        seconds=script.seconds,
        split=script.split,
        seed=tuple(script.seed),
        sources=things(composer.sources(take, middles)),
        unseen=tuple(
            UnseenThing(category=voice.category, sounding=tuple(voice.schedule))
            for voice in script.unseen
        ),
    )
