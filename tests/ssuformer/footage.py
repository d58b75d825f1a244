"""Real media, small, made on the spot: what is seen and heard is known to the tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

TIME_BASE = Fraction(1, 12_800)
Picture = NDArray[np.uint8] | NDArray[np.uint16]
"""[h w 3], RGB; of 16 bits if it is coded on a curve of HDR."""
Painter = Callable[[int, float], int | Picture]
"""From a frame's number and time to its grey level, or to its whole picture."""


@contextmanager
def _usual_scheduling() -> Iterator[None]:
    """Undo what SVT-AV1 does as root: real-time priority, before which all others wait."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameters)


def dark(_: int, __: float) -> int:
    return 20


def as_it_is(_: VideoStream) -> None:
    """Leave a stream as its encoder is by default."""


def flash_in(second: int) -> Painter:
    return lambda _, time: 235 if second <= time < second + 1 else 20


@dataclass(frozen=True)
class Footage:
    """A recipe for a clip; the defaults are a phone's: H.264 and AAC in MP4."""

    seconds: float = 4.0
    container: str = "mp4"
    video: str | None = "libx264"
    audio: str | None = "aac"
    size: tuple[int, int] = (64, 48)
    pixels: str = "yuv420p"
    """The pixel format."""
    prepare: Callable[[VideoStream], object] = as_it_is
    """What is done to the video stream before it is encoded."""
    fps: int = 25
    base: Fraction = TIME_BASE
    """Seconds that the encoder's times count in."""
    times: tuple[float, ...] | None = None
    """When each picture is shown, instead of `fps` per second."""
    paint: Painter = dark
    rate: int = 44_100
    layout: str = "mono"
    beep: tuple[float, float] | None = (1.0, 2.0)
    """From when to when there is a tone; silence elsewhere."""
    hiss: float = 0.0
    """Level of white noise under it, another in each channel."""
    gains: tuple[float, ...] = ()
    """The tone's factor in each channel, clipped at full scale; 1 in all of them if empty."""
    audio_start: float = 0.0
    audio_seconds: float | None = None
    video_start: float = 0.0
    rotation: int = 0
    options: tuple[tuple[str, str], ...] = ()
    audio_options: tuple[tuple[str, str], ...] = ()
    container_options: tuple[tuple[str, str], ...] = ()

    def make(self) -> bytes:
        """Return the clip's bytes."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "clip"
            with _usual_scheduling():
                self._write(path)
            return path.read_bytes()

    def _write(self, path: Path) -> None:
        options = dict(self.container_options)
        with av.open(path, "w", format=self.container, options=options) as container:
            video = self._add_video(container) if self.video else None
            audio = self.add_audio(container) if self.audio else None
            packets: list[Packet[Any]] = [] if video is None else list(self._pictures(video))
            packets += [] if audio is None else list(self.sounds(audio))
            for packet in sorted(packets, key=lambda p: (p.dts or 0) * (p.time_base or 0)):
                container.mux(packet)

    def _add_video(self, container: OutputContainer) -> VideoStream:
        video = cast(VideoStream, container.add_stream(self.video or "", rate=self.fps))
        video.width, video.height = self.size
        video.pix_fmt = self.pixels
        video.options = {"preset": "ultrafast", "g": "12"} if "264" in str(self.video) else {}
        video.options = {**video.options, **dict(self.options)}
        video.codec_context.time_base = self.base if self.container != "avi" else Fraction(1, 25)
        if self.rotation:
            video.set_display_rotation(self.rotation)
        self.prepare(video)
        return video

    def _pictures(self, video: VideoStream) -> Iterable[Packet[VideoStream]]:
        times = self.times or tuple(i / self.fps for i in range(round(self.seconds * self.fps)))
        for i, time in enumerate(times):
            picture = self.paint(i, time)
            if isinstance(picture, int):
                picture = np.full((self.size[1], self.size[0], 3), picture, np.uint8)
            frame = self._framed(picture)
            base = video.codec_context.time_base
            frame.time_base = base
            frame.pts = round((time + self.video_start) / base)
            yield from video.encode(frame)
        yield from video.encode()

    def _framed(self, picture: Picture) -> av.VideoFrame:
        if picture.dtype == np.uint8:
            return av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame = av.VideoFrame.from_ndarray(picture, format="rgb48le")
        return frame.reformat(format=self.pixels, dst_colorspace=Colorspace.BT2020)

    def add_audio(self, container: OutputContainer) -> AudioStream:
        stream = container.add_stream(self.audio or "", rate=self.rate, layout=self.layout)
        stream.options = dict(self.audio_options)
        return cast(AudioStream, stream)

    def sounds(self, audio: AudioStream) -> Iterable[Packet[AudioStream]]:
        seconds = self.seconds if self.audio_seconds is None else self.audio_seconds
        times = np.arange(int(seconds * self.rate)) / self.rate + self.audio_start
        start, end = self.beep or (0.0, 0.0)
        tone = np.where((start <= times) & (times < end), 0.5 * np.sin(times * 2 * np.pi * 440), 0)
        channels = len(av.AudioLayout(self.layout).channels)
        form = audio.codec_context.format.name
        gains = np.array(self.gains or (1.0,) * channels)
        noise = self.hiss * np.random.default_rng(1).standard_normal((channels, len(tone)))
        samples = (np.outer(gains, tone) + noise).clip(-1, 1).astype(np.float32)
        step = audio.codec_context.frame_size or 1024
        resampler = av.AudioResampler(format=form, layout=self.layout, rate=self.rate)
        for begin in range(0, samples.shape[1], step):
            piece = samples[:, begin : begin + step].T.reshape(1, -1)
            # PyAV writes planes beyond the eighth channel where there are none.
            frame = av.AudioFrame.from_ndarray(piece, format="flt", layout=self.layout)
            frame.sample_rate = self.rate
            frame.time_base = Fraction(1, self.rate)
            frame.pts = begin + round(self.audio_start * self.rate)
            for converted in resampler.resample(frame):
                yield from audio.encode(converted)
        yield from audio.encode()


def with_matrix(media: bytes, a: float, b: float, c: float, d: float) -> bytes:
    """Return an MP4 whose first track, the film, is shown by this display matrix."""
    at = media.index(b"tkhd") + 44
    rows = [a, b, 0, c, d, 0, 0, 0, 2**14]
    matrix = b"".join(round(value * 2**16).to_bytes(4, "big", signed=True) for value in rows)
    return media[:at] + matrix + media[at + len(matrix) :]
