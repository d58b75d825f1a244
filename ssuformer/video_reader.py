"""Read the video frame displayed at given times; decodes once, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorTrc, VideoReformatter
from numpy.typing import NDArray

from ssuformer.contract import FRAME_SIZE
from ssuformer.errors import ClipTooLarge, ClipTruncated, ClipUnreadable
from ssuformer.media import (
    ClipInfo,
    ClipWarning,
    Limits,
    Source,
    audio_stream,
    check_pixels,
    codec_name,
    ffmpeg_errors,
    open_media,
    seek,
    select,
    square_pixels,
    start_time,
    stated_duration,
    video_stream,
)
from ssuformer.orientation import orientation_of

Frame = NDArray[np.uint8]
"""[224 224 3], RGB 0..255."""

_USUAL_RATE = 25
_HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)


class VideoReader:
    """A clip's video on one timeline; times passed to `at` must increase."""

    def __init__(self, source: Source, *, limits: Limits, start: float = 0.0) -> None:
        self._limits = limits
        self._media = open_media(source, limits)
        self._container = self._media.container
        try:
            with ffmpeg_errors():
                self._open(start)
        except BaseException:
            self._media.close()
            raise

    def _open(self, start: float) -> None:
        self._stream = video_stream(self._container, self._limits)
        self._prepare_decoder()
        self._check_seconds(stated_duration(self._container) or 0.0)
        zero = start_time(self._container)
        if start > 1:
            seek(self._container, start + (zero or 0.0))
        self._read = self._damaged = 0
        self._wanted = 0.0
        self._start = zero or 0.0
        self._step = 1 / float(self._stream.average_rate or _USUAL_RATE)
        self._reformatter = VideoReformatter()
        self._picture: Frame | None = None
        self._frames = self._decode()
        first = next(self._frames, None)
        if first is None:
            raise ClipUnreadable("no video frame of the clip can be decoded")
        self.zero = zero if zero is not None else (first.time or 0.0)
        self._shown, self._shown_at = first, (first.time or 0.0) - self.zero
        self._info = self._read_info(first)
        self._ahead, self._ahead_at = self._pull()

    def _prepare_decoder(self) -> None:
        select(self._container, self._stream)
        context = self._stream.codec_context
        context.options = {"max_pixels": str(self._limits.pixels)}
        context.thread_count = self._limits.threads
        self._stream.thread_type = "AUTO"

    @property
    def info(self) -> ClipInfo:
        """Properties stated by the clip."""
        return self._info

    @property
    def end(self) -> float | None:
        """End of the last frame in seconds; None until it has been reached."""
        if self._ahead is not None:
            return None
        last = self._shown
        if not last.duration or last.time_base is None:
            return self._shown_at + self._step
        return self._shown_at + float(last.duration * last.time_base)

    @property
    def stated_end(self) -> float | None:
        """End of the last frame as stated by the stream; None if it is not stated."""
        stream = self._stream
        if stream.duration is None or stream.time_base is None:
            return None
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base) - self.zero

    def at(self, time: float) -> Frame | None:
        """Return the frame shown at `time`, the first one before that; None after the last."""
        self._wanted = time
        with ffmpeg_errors():
            while self._ahead is not None and self._ahead_at <= time:
                self._shown, self._shown_at = self._ahead, self._ahead_at
                self._picture = None
                self._ahead, self._ahead_at = self._pull()
        if self.end is not None and time >= self.end:
            return None
        return self.latest()

    def latest(self) -> Frame:
        """Return the frame that was reached last."""
        if self._picture is None:
            with ffmpeg_errors():
                self._picture = self._convert(self._shown)
        return self._picture

    def warnings(self) -> Iterator[ClipWarning]:
        """Yield the warnings; raise ClipTruncated if too large a share was damaged."""
        share = self._damaged / max(1, self._read)
        if share > self._limits.damaged_share:
            raise ClipTruncated(
                f"{share:.0%} of the video frames are damaged",
                limit=self._limits.damaged_share,
                actual=round(share, 3),
            )
        if share > 0:
            yield ClipWarning(
                "pictures_damaged", f"{self._damaged} of {self._read} video frames are damaged"
            )
        if getattr(self._shown, "color_trc", None) in _HDR:
            yield ClipWarning("hdr", "the colours are HDR and were not tone-mapped")

    def close(self) -> None:
        """Release the decoder."""
        self._media.close()

    def _pull(self) -> tuple[VideoFrame | None, float]:
        frame = next(self._frames, None)
        if frame is None:
            return None, self._shown_at
        time = self._shown_at if frame.time is None else frame.time - self.zero
        if time <= self._shown_at:
            time = self._shown_at + self._step
        self._check_seconds(time)
        return frame, time

    def _decode(self) -> Iterator[VideoFrame]:
        packets: Iterator[Any] = self._container.demux(self._stream)
        latest = 0.0
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                self._count(packet)
                latest = self._skip_if_unseen(packet, latest)
                frames = packet.decode()
            except (av.error.InvalidDataError, av.error.EOFError):
                self._damaged += 1
                continue
            for frame in frames:
                self._damaged += frame.is_corrupt
                check_pixels(frame.width, frame.height, self._limits)
                yield frame

    def _skip_if_unseen(self, packet: Any, latest: float) -> float:  # noqa: ANN401
        """Skip decoding of a frame that no other frame refers to and that is not needed.

        A frame is not needed if a later one, already seen, is shown by then. Returns
        the latest time seen so far.
        """
        context = self._stream.codec_context
        if packet.pts is None or packet.time_base is None:
            context.skip_frame = "DEFAULT"
            return latest
        time = float(packet.pts * packet.time_base) - self._start
        context.skip_frame = "NONREF" if time < latest <= self._wanted else "DEFAULT"
        return max(latest, time)

    def _count(self, packet: Any) -> None:  # noqa: ANN401
        self._read += packet.size > 0
        if self._read > self._limits.frames:
            raise ClipTooLarge(
                f"the clip has more than {self._limits.frames} video frames",
                limit=self._limits.frames,
                actual=self._read,
            )

    def _check_seconds(self, seconds: float) -> None:
        if seconds > self._limits.seconds:
            raise ClipTooLarge(
                f"the clip lasts {seconds:.1f} s or more, the limit is {self._limits.seconds:g} s",
                limit=self._limits.seconds,
                actual=round(seconds, 3),
            )

    def _convert(self, frame: VideoFrame) -> Frame:
        small = self._reformatter.reformat(
            frame, width=FRAME_SIZE, height=FRAME_SIZE, format="rgb24", interpolation="AREA"
        )
        return orientation_of(frame).apply(cast(Frame, small.to_ndarray()))

    def _read_info(self, frame: VideoFrame) -> ClipInfo:
        stream, sound = self._stream, audio_stream(self._container)
        orientation = orientation_of(frame)
        width, height = orientation.displayed(
            *square_pixels(frame.width, frame.height, stream.sample_aspect_ratio, self._limits)
        )
        return ClipInfo(
            duration=stated_duration(self._container),
            width=width,
            height=height,
            rotation=orientation.quarters * 90,
            mirrored=orientation.mirrored,
            fps=float(stream.average_rate) if stream.average_rate else None,
            has_audio=sound is not None,
            video_codec=codec_name(stream),
            audio_codec=None if sound is None else codec_name(sound),
        )
