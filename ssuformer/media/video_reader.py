"""Read the video frame displayed at given times; decodes once, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import NamedTuple, cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from ssuformer.contract import FRAME_SIZE
from ssuformer.errors import ClipError, ClipTruncated, ClipUnreadable
from ssuformer.media.clock import STEADY, Clock
from ssuformer.media.file_end import cut_off
from ssuformer.media.hdr import CURVES, to_usual_range
from ssuformer.media.opening import (
    ClipInfo,
    ClipWarning,
    Limits,
    Source,
    codec_name,
    ffmpeg_errors,
    open_bytes,
    open_media,
    square_pixels,
)
from ssuformer.media.orientation import orientation_of
from ssuformer.media.picture_decoder import PictureDecoder
from ssuformer.media.tracks import AUTOMATIC, Choice, choose_tracks

Frame = NDArray[np.uint8]
"""[224 224 3], RGB 0..255."""

_USUAL_RATE = 25
_HIGHEST_RATE = 10_000.0
"""Frames per second beyond which a statement is damage."""
_BEYOND_STATED = 1.0
"""Seconds by which the last picture may last longer than the clip is stated to; a picture that
lasts for hours is a damaged number."""
_WORTH_SEEKING = 1.0
"""Seconds from the start up to which everything is decoded."""
_EARLIER = (0.0, 4.0, 16.0, 64.0)
"""By how many seconds an earlier key frame is sought, if one was too late; then all is decoded."""


class Packets(NamedTuple):
    """Packets of a film that were decoded, and that were dropped because nobody needs them."""

    decoded: int
    dropped: int


class VideoReader:
    """A clip's video on one timeline; times passed to `at` must increase."""

    def __init__(
        self,
        source: Source,
        *,
        limits: Limits,
        choice: Choice = AUTOMATIC,
        clock: Clock = STEADY,
        start: float = 0.0,
        skips: bool = True,
    ) -> None:
        """Open the clip at `start`; without `skips` every packet from there on is decoded."""
        self._clock = clock
        self._source = source
        self._choice = choice
        self._limits = limits
        self._skips = skips
        self._spent = Packets(0, 0)
        self._media = open_media(source, limits)
        try:
            with ffmpeg_errors():
                self._prepare_decoder()
                self._start(start)
        except BaseException:
            self._media.close()
            raise

    def _prepare_decoder(self) -> None:
        self._container = self._media.container
        self.tracks = choose_tracks(self._container, self._limits, self._choice)
        self._stream = self.tracks.video
        self.tracks.read_only(self._stream)
        self._decoder = PictureDecoder(
            self._container, self._stream, self._limits, clock=self._clock, skips=self._skips
        )

    def _start(self, start: float) -> None:
        zero = self.tracks.zero
        self.zero = zero or 0.0
        self._start_at = start
        self._step = 1 / float(self._stream.average_rate or _USUAL_RATE)
        self._reformatter = VideoReformatter()
        self._picture: Frame | None = None
        self._frames: Iterator[VideoFrame] = iter(())
        self._shown_at = float("-inf")
        self._begin(start)
        first = self._next()
        if first is None:
            raise self._why_nothing()
        self.zero = zero if zero is not None else (first.time or 0.0)
        self._decoded = 1
        self._shown, self._shown_at = first, (first.time or 0.0) - self.zero
        self._info = self._read_info(first)
        self._ahead, self._ahead_at = self._pull()

    def _why_nothing(self) -> ClipError:
        """Return why there is no picture."""
        with open_bytes(self._source) as file:
            cut = cut_off(file)
        if cut is None:
            return ClipUnreadable("no video frame of the clip can be decoded")
        return ClipTruncated(f"the clip was cut off before its first picture: {cut.told}")

    def _begin(self, time: float) -> None:
        """Begin with a picture shown at `time` or before, or the first one if all are later.

        A key frame that is found without an index may be too late; then an earlier one is sought.
        """
        for earlier in _EARLIER:
            if time - earlier < _WORTH_SEEKING or self._clock.jumps:
                break
            frames = self._decoder.from_key_before(self.zero + time - earlier)
            first = next(frames, None)
            if first is not None and (first.time or 0.0) - self.zero <= time:
                self._frames = chain([first], frames)
                return
        if time >= _WORTH_SEEKING:
            self._open_again()
        self._frames = self._decoder.from_beginning()

    def _open_again(self) -> None:
        wanted, self._spent = self._decoder.wanted, self.packets
        self._media.close()
        self._media = open_media(self._source, self._limits)
        self._prepare_decoder()
        self._decoder.wanted = wanted

    @property
    def info(self) -> ClipInfo:
        """Properties stated by the clip."""
        return self._info

    @property
    def packets(self) -> Packets:
        """How many packets have been decoded and dropped so far."""
        decoder, spent = self._decoder, self._spent
        return Packets(spent.decoded + decoder.decoded, spent.dropped + decoder.dropped)

    @property
    def reached(self) -> float:
        """Time of the last picture that was decoded, in seconds."""
        return self._ahead_at

    @property
    def end(self) -> float | None:
        """End of the last frame in seconds; None until it has been reached."""
        if self._ahead is not None:
            return None
        last = self._shown
        length = self._step
        if last.duration and last.time_base is not None:
            length = float(last.duration * last.time_base)
        end = max(self._shown_at + length, self._decoder.repeated_until - self.zero)
        stated = self.info.duration or 0.0
        if end - max(stated, self._shown_at) > _BEYOND_STATED:
            return stated if stated > self._shown_at else self._shown_at + _BEYOND_STATED
        return end

    def at(self, time: float) -> Frame | None:
        """Return the frame shown at `time`, the first one before that; None after the last."""
        self._decoder.wanted = time + self.zero
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
        damaged = self._decoder.damaged
        decoded = max(self._decoded + self._decoder.lost, damaged)
        share = damaged / max(1, decoded)
        if share > self._limits.damaged_share:
            raise ClipTruncated(
                f"{share:.0%} of the video frames are damaged",
                limit=self._limits.damaged_share,
                actual=round(share, 3),
            )
        if share > 0:
            yield ClipWarning(
                "pictures_damaged", f"{damaged} of {decoded} video frames are damaged"
            )
        yield from self.tracks.warnings()
        yield from self._clock.warnings()
        if self._shown.color_trc in CURVES:
            curve = CURVES[self._shown.color_trc]
            yield ClipWarning("hdr", f"the colours are HDR ({curve}), mapped to the usual range")

    def close(self) -> None:
        """Release the decoder."""
        self._media.close()

    def _pull(self) -> tuple[VideoFrame | None, float]:
        frame = self._next()
        if frame is None:
            return None, self._shown_at
        self._decoded += 1
        time = self._shown_at if frame.time is None else frame.time - self.zero
        if time <= self._shown_at:
            time = self._shown_at + self._step
        return frame, time

    def _next(self) -> VideoFrame | None:
        """Return the next picture, as one thread without any doubtful shortcut decodes it.

        What several threads make of damaged packets depends on their timing, and where decoding
        cannot begin at a key frame is known only afterwards.
        """
        frame = next(self._frames, None)
        if self._decoder.damaged and self._decoder.threads > 1:
            self._limits = replace(self._limits, threads=1)
            return self._next_after_shown()
        if frame is not None and self._decoder.missed_key(frame):
            self._skips = False
            return self._next_after_shown()
        return frame

    def _next_after_shown(self) -> VideoFrame | None:
        """Begin again with what has been changed, and return the picture after what is shown."""
        self._open_again()
        self._begin(max(self._start_at, self._decoder.wanted - self.zero))
        while (frame := self._next()) is not None:
            if frame.time is None or frame.time - self.zero > self._shown_at:
                break
        return frame

    def _convert(self, frame: VideoFrame) -> Frame:
        hdr = frame.color_trc in CURVES
        small = self._reformatter.reformat(
            frame,
            width=FRAME_SIZE,
            height=FRAME_SIZE,
            format="rgb48le" if hdr else "rgb24",
            interpolation="AREA",
        ).to_ndarray()
        if hdr:
            small = to_usual_range(cast(NDArray[np.uint16], small), frame.color_trc)
        return orientation_of(frame).apply(cast(Frame, small))

    def _read_info(self, frame: VideoFrame) -> ClipInfo:
        stream, sound = self._stream, self.tracks.audio
        orientation = orientation_of(frame)
        width, height = orientation.displayed(
            *square_pixels(frame.width, frame.height, stream.sample_aspect_ratio, self._limits)
        )
        video_track, audio_track = self.tracks.numbers
        return ClipInfo(
            duration=self._clock.seconds or self.tracks.seconds,
            width=width,
            height=height,
            rotation=orientation.quarters * 90,
            mirrored=orientation.mirrored,
            fps=_stated_rate(stream),
            has_audio=sound is not None,
            video_codec=codec_name(stream),
            audio_codec=None if sound is None else codec_name(sound),
            video_track=video_track,
            audio_track=audio_track,
        )


def _stated_rate(stream: VideoStream) -> float | None:
    """Return the frames per second that a clip states, or None if it states none that can be."""
    rate = float(stream.average_rate or 0)
    return rate if 0 < rate <= _HIGHEST_RATE else None
