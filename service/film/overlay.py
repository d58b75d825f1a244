"""The overlay: the film with a layer burnt into every frame and its sound kept."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import av
import av.error
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream

from service.film.drawing import Layer, Size
from service.film.film_reader import FilmFrame, FilmReader, FrameConverter
from service.film.yuv_layer import Stencil, split
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
    """Writes H.264 in MP4, as a context manager.

    A file at a path has its index at the start, and is removed if it is not finished. What is
    written to an open file, which need not be seekable, comes in fragments.
    """

    def __init__(
        self, target: Path | IO[bytes], film: FilmReader, size: Size, *, threads: int = 2
    ) -> None:
        self._path = target if isinstance(target, Path) else None
        self._part = target.with_name(f"{target.name}.part") if isinstance(target, Path) else None
        self._size = size
        self._converter = FrameConverter(size)
        flags = (
            "+faststart" if self._path else "+frag_keyframe+empty_moov+delay_moov+default_base_moof"
        )
        self._container = av.open(
            self._part or _Stream(target), "w", format="mp4", options={"movflags": flags}
        )
        self._base = Fraction(film.video.time_base or 1 / film.rate)
        self._video = self._add_video(film, threads)
        self._begin, self._last = film.part.start, -1
        self.sound = (
            None
            if film.audio is None
            else CopiedSound(self._container, film.audio, film.start + film.part.start)
        )
        self._stencils: list[tuple[Layer, Stencil]] = []
        """Those of the frame before, most of which the next one has, too."""

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
            if kind is None and self._part is not None and self._path is not None:
                self._part.replace(self._path)
        finally:
            if self._part is not None:
                self._part.unlink(missing_ok=True)

    def add(self, frame: FilmFrame, layers: Sequence[Layer] = ()) -> None:
        """Write one frame with layers of the film's size over it, the last one topmost."""
        array = self._converter.planes(frame)
        hd = frame.hdr or self._size[0] >= _HIGH_DEFINITION
        known = {id(layer): (layer, stencil) for layer, stencil in self._stencils}
        self._stencils = [
            known.get(id(layer)) or (layer, Stencil(layer, high_definition=hd)) for layer in layers
        ]
        for _, stencil in self._stencils:
            stencil.stamp(split(array))
        drawn = VideoFrame.from_ndarray(array, format="yuv420p")
        self._last = max(self._last + 1, round((frame.time - self._begin) / self._base))
        drawn.pts, drawn.time_base = self._last, self._base
        drawn.duration = frame.frame.duration
        self._container.mux(self._video.encode(drawn))


class _Stream:
    """An open file of which FFmpeg sees only that it can be written to, in order."""

    def __init__(self, target: object) -> None:
        self.write = target.write  # type: ignore[attr-defined]


def _is_framed(source: AudioStream) -> bool:
    """Return whether it is AAC as in transport streams, whose packets tell what MP4 says once."""
    return codec_name(source) == "aac" and not source.codec_context.extradata


class CopiedSound:
    """Copies the audio stream where MP4 can hold it; converts it to AAC otherwise."""

    def __init__(self, container: OutputContainer, source: AudioStream, start: float) -> None:
        self._container, self._source, self._start = container, source, start
        self._last: int | None = None
        self.copied = codec_name(source) in _COPIED and not _is_framed(source)
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
