"""The overlay: the film with a layer burnt into every frame and its sound kept."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from service.cli.film.drawing import Layer, Size
from service.cli.film.film_reader import FilmFrame, FilmReader, FrameConverter
from service.cli.film.yuv_layer import Stencil, split
from ssuformer.media.hdr import CURVES
from ssuformer.media.opening import codec_name

_COPIED = frozenset(("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac"))
"""Audio codecs that players expect in an MP4 file; others are converted to AAC."""

_AAC_RATES = frozenset((8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000))
_LEAST, _MOST = 360, 1920
_HIGH_DEFINITION = 720


def canvas(width: int, height: int) -> Size:
    """Return height and width of the overlay of a film: even and at most 1920.

    A film of less than 360 lines is enlarged by a whole factor, so that text fits into it.
    """
    enlarged = -(-_LEAST // min(width, height))
    scale = min(float(max(enlarged, 1)), _MOST / max(width, height))
    return max(2, round(height * scale / 2) * 2), max(2, round(width * scale / 2) * 2)


class OverlayFilm:
    """Writes H.264 in MP4, as a context manager; an unfinished file is removed."""

    def __init__(self, path: Path, film: FilmReader, size: Size, *, threads: int = 2) -> None:
        self._path, self._part = path, path.with_name(f"{path.name}.part")
        self._size = size
        self._converter = FrameConverter(size)
        self._container = av.open(self._part, "w", format="mp4", options={"movflags": "+faststart"})
        self._base = Fraction(film.video.time_base or 1 / film.rate)
        self._video = self._add_video(film, threads)
        self._start, self._last = film.start, -1
        self.sound = (
            None if film.audio is None else CopiedSound(self._container, film.audio, film.start)
        )
        self._stencil: Stencil | None = None
        self._layer: Layer | None = None

    def _add_video(self, film: FilmReader, threads: int) -> VideoStream:
        options = {"preset": "veryfast", "crf": "20"}
        video = self._container.add_stream("libx264", rate=film.rate, options=options)
        video.height, video.width = self._size
        video.pix_fmt = "yuv420p"
        context, source = video.codec_context, film.video.codec_context
        context.time_base = self._base
        context.thread_count = threads
        if source.color_trc in CURVES:  # frames in HDR are mapped to the usual range
            context.colorspace, context.color_trc = Colorspace.ITU709, ColorTrc.BT709
            context.color_primaries = ColorPrimaries.BT709
        else:
            context.colorspace, context.color_trc = source.colorspace, source.color_trc
            context.color_primaries = source.color_primaries
        context.color_range = ColorRange.MPEG
        return video

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._container.mux(self._video.encode())
                if self.sound is not None:
                    self.sound.finish()
            self._container.close()
            if kind is None:
                self._part.replace(self._path)
        finally:
            self._part.unlink(missing_ok=True)

    def add(self, frame: FilmFrame, layer: Layer | None) -> None:
        """Write one frame, with a layer of the film's size over it if there is one."""
        array = self._converter.planes(frame)
        if layer is not self._layer:
            self._layer, hd = layer, frame.hdr or self._size[0] >= _HIGH_DEFINITION
            self._stencil = None if layer is None else Stencil(layer, high_definition=hd)
        if self._stencil is not None:
            self._stencil.stamp(split(array))
        drawn = VideoFrame.from_ndarray(array, format="yuv420p")
        self._last = max(self._last + 1, round(frame.time / self._base))
        drawn.pts, drawn.time_base = self._last, self._base
        drawn.duration = frame.frame.duration
        self._container.mux(self._video.encode(drawn))


class CopiedSound:
    """Copies the audio stream where MP4 can hold it; converts it to AAC otherwise."""

    def __init__(self, container: OutputContainer, source: AudioStream, start: float) -> None:
        self._container, self._source, self._start = container, source, start
        self._last: int | None = None
        self.copied = codec_name(source) in _COPIED
        self._stream = (
            container.add_stream_from_template(source) if self.copied else self._add_encoder()
        )

    def _add_encoder(self) -> AudioStream:
        context = self._source.codec_context
        rate = context.sample_rate if context.sample_rate in _AAC_RATES else 48_000
        layout = "mono" if len(context.layout.channels) == 1 else "stereo"
        return self._container.add_stream("aac", rate=rate, layout=layout)

    def take(self, packet: Packet[AudioStream]) -> None:
        """Write an audio packet; skip it if it cannot be used."""
        if self.copied:
            self._copy(packet)
            return
        try:
            frames = packet.decode()
        except (av.error.InvalidDataError, av.error.EOFError):
            return
        for frame in frames:
            if frame.pts is not None and frame.time_base is not None:
                frame.pts -= round(self._start / frame.time_base)
            self._container.mux(self._stream.encode(frame))

    def _copy(self, packet: Packet[AudioStream]) -> None:
        if packet.dts is None or packet.pts is None or packet.time_base is None:
            return
        shift = round(self._start / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        if self._last is not None and packet.dts <= self._last:
            return
        self._last = packet.dts
        packet.stream = self._stream
        self._container.mux(packet)

    def finish(self) -> None:
        """Flush the encoder."""
        if not self.copied:
            self._container.mux(self._stream.encode())
