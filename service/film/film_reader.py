"""Read the film of a clip frame by frame, on the same timeline as the service's answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import av.error
import numpy as np
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from service.film.drawing import ImageArray, Size
from service.film.yuv_layer import turn
from ssuformer.closing import Closing
from ssuformer.media.clock import read_clock
from ssuformer.media.hdr import CURVES, to_usual_range
from ssuformer.media.opening import (
    Limits,
    Source,
    ffmpeg_errors,
    is_empty,
    open_media,
    packets_of,
    seek,
)
from ssuformer.media.orientation import Orientation, orientation_of
from ssuformer.media.tracks import AUTOMATIC, Choice, choose_tracks

_ENOUGH = Limits(bytes=2**40, pixels=2**28, frames=2**31, seconds=1e9)
_USUAL_RATE = 25
_WORTH_SEEKING = 2.0
"""Seconds from the start up to which everything is decoded."""
_EARLIER_SECONDS = 1.0
"""By how much earlier than a part its key frame is sought: sound may lie before its pictures."""
_LATEST_SECONDS = 10.0
"""By how much a packet may come after those of other tracks that are later."""
SoundListener = Callable[["Packet[AudioStream]"], None]


@dataclass(frozen=True, slots=True)
class FilmFrame:
    """One decoded frame of the film and its display time in seconds of the clip."""

    frame: VideoFrame
    time: float

    @property
    def hdr(self) -> bool:
        """Whether the frame is in HDR; it is mapped to the usual range, BT.709, when converted."""
        return self.frame.color_trc in CURVES

    @property
    def orientation(self) -> Orientation:
        """How the frame is turned and mirrored to be displayed."""
        return orientation_of(self.frame)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a clip: start and end in seconds; without an end, all from its start on."""

    start: float = 0.0
    end: float | None = None

    def ends_by(self, time: float) -> bool:
        """Return whether it has ended at a time of the clip."""
        return self.end is not None and time >= self.end


WHOLE = Part()


class FilmReader(Closing):
    """Decodes a part of a film, as a context manager; memory use is constant."""

    def __init__(
        self,
        source: Source,
        *,
        choice: Choice = AUTOMATIC,
        part: Part = WHOLE,
        threads: int = 2,
    ) -> None:
        """Open the film; raise a ClipError if it cannot be opened."""
        self._source, self._choice, self._threads = source, choice, threads
        self.part = part
        self._clock = read_clock(source, _ENOUGH, choice)
        self._open()
        try:
            self._go_to_start()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        self._media = open_media(self._source, _ENOUGH)
        self._container = self._media.container
        try:
            tracks = choose_tracks(self._container, _ENOUGH, self._choice)
        except BaseException:
            self._media.close()
            raise
        self.video, self.audio = tracks.video, tracks.audio
        self.video.thread_type = "AUTO"
        self.video.codec_context.thread_count = self._threads
        self.start = tracks.zero or 0.0
        self.rate = Fraction(self.video.average_rate or _USUAL_RATE)

    def close(self) -> None:
        """Close the file."""
        self._media.close()

    def frames(self, listen: SoundListener | None = None) -> Iterator[FilmFrame]:
        """Yield the frames of the part that can be decoded, the first one from its start on.

        Audio packets of the part are passed to `listen`.
        """
        start, shown = self.part.start, None
        for frame in self._decoded(listen):
            if start > 0 and frame.time <= start:
                shown = FilmFrame(frame.frame, start)
            elif not self.part.ends_by(frame.time):
                if shown is not None:
                    yield shown
                    shown = None
                yield frame
        if shown is not None:
            yield shown

    def _decoded(self, listen: SoundListener | None) -> Iterator[FilmFrame]:
        """Yield frames from the part's start, or earlier, to its end, or later."""
        time = -1 / float(self.rate)
        streams = [self.video, *([self.audio] if self.audio and listen else [])]
        with ffmpeg_errors():
            for packet in self._clock.steady(packets_of(self._container, *streams)):
                at = self._time_of(packet)
                if at is not None and self.part.ends_by(at - _LATEST_SECONDS):
                    break
                if isinstance(packet.stream, AudioStream):
                    if listen is not None and self._is_heard(at):
                        listen(cast("Packet[AudioStream]", packet))
                    continue
                for frame in _decode(cast("Packet[VideoStream]", packet)):
                    usual = time + 1 / float(self.rate)
                    time = usual if frame.time is None else frame.time - self.start
                    yield FilmFrame(frame, time)

    def _is_heard(self, at: float | None) -> bool:
        if self.part.start == 0 and (at is None or at < 0):
            return True
        return at is not None and at >= self.part.start and not self.part.ends_by(at)

    def _time_of(self, packet: Packet[Any]) -> float | None:
        """Return when a packet is shown, or else decoded, in seconds of the clip."""
        ticks = packet.dts if packet.pts is None else packet.pts
        return None if ticks is None else float(ticks * packet.time_base) - self.start

    def _go_to_start(self) -> None:
        """Go to a key frame before the part, or stay where the film begins if that fails."""
        if self.part.start < _WORTH_SEEKING or self._clock.jumps:
            return
        before = self.part.start + self.start - _EARLIER_SECONDS
        with ffmpeg_errors():
            seek(self._container, before)
            first = next(packets_of(self._container, self.video), None)
            at = None if first is None else self._time_of(first)
            if at is not None and at <= self.part.start:
                seek(self._container, before)
                return
        self._media.close()
        self._open()


class FrameConverter:
    """Converts shots to pictures and planes of one size: upright, with square pixels."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._reformatter = VideoReformatter()

    def picture(self, shown: FilmFrame) -> ImageArray:
        """Return a frame as RGB [h w 3]."""
        return np.ascontiguousarray(shown.orientation.apply(self._convert(shown, "rgb24")))

    def planes(self, shown: FilmFrame) -> NDArray[np.uint8]:
        """Return a frame as YUV 4:2:0 [h * 3 / 2, w]; both sides of the size must be even."""
        return turn(self._convert(shown, "yuv420p"), shown.orientation)

    def _convert(self, shown: FilmFrame, pixel_format: str) -> NDArray[np.uint8]:
        height, width = shown.orientation.displayed(*self._size)
        frame = shown.frame
        interpolation = "AREA" if width < frame.width else "BICUBIC"
        if shown.hdr:
            frame = self._mapped(frame, width, height, interpolation)
        full_range = shown.hdr or frame.color_range == ColorRange.JPEG
        converted = self._reformatter.reformat(
            frame,
            width=width,
            height=height,
            format=pixel_format,
            interpolation=interpolation,
            dst_colorspace=Colorspace.ITU709 if shown.hdr and pixel_format == "yuv420p" else None,
            dst_color_range="MPEG" if full_range and pixel_format == "yuv420p" else None,
        )
        return cast("NDArray[np.uint8]", converted.to_ndarray())

    def _mapped(self, frame: VideoFrame, width: int, height: int, interpolation: str) -> VideoFrame:
        """Return a frame in HDR as one of this size in the usual range, RGB."""
        wide = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb48le", interpolation=interpolation
        )
        light = cast("NDArray[np.uint16]", wide.to_ndarray())
        return VideoFrame.from_ndarray(to_usual_range(light, frame.color_trc), format="rgb24")


def _decode(packet: Packet[VideoStream]) -> list[VideoFrame]:
    """Return the frames of a packet; none if it is damaged, or repeats the frame before it."""
    try:
        return [] if is_empty(packet) else packet.decode()
    except (av.error.InvalidDataError, av.error.EOFError):
        return []
