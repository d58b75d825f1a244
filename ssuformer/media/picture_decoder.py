"""Decode the pictures of a film in order, from any time on, and no more of them than are wanted.

Packets are read ahead of the decoder as far as the wanted time. If one of them is a key frame shown
by then, the packets before it are dropped: no picture that is still wanted depends on them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from ssuformer.errors import ClipTooLarge
from ssuformer.media.clock import Clock
from ssuformer.media.opening import Limits, check_pixels, codec_name, packets_of, seek
from ssuformer.media.part import pixels_exceeded

_LOOK_AHEAD = 1000
"""Most packets read ahead of the decoder."""
_ONE_THREAD = frozenset(("mpeg4",))
"""Codecs of which several threads give several answers. Whether MPEG-4's slices end where they
should is judged by a score of those before (`padding_bug_score`), which FFmpeg's threads take from
each other while it still changes."""


class PictureDecoder:
    """Decodes one stream; `wanted` is the time, in seconds of the stream, of the next picture.

    Pictures shown before `wanted` may be left out, except the last of them.
    """

    def __init__(
        self,
        container: InputContainer,
        stream: VideoStream,
        limits: Limits,
        *,
        clock: Clock,
        skips: bool,
    ) -> None:
        """Take the stream of a container that was just opened; without `skips` all is decoded."""
        self._container = container
        self._stream = stream
        self._context = stream.codec_context
        self._limits = limits
        self._clock = clock
        self._context.options = {"max_pixels": str(limits.pixels)}
        self.threads = 1 if codec_name(stream) in _ONE_THREAD else limits.threads
        self._context.thread_count = self.threads
        stream.thread_type = "AUTO"
        self.wanted = float("-inf")
        self.decoded = self.dropped = self.lost = self.damaged = 0
        """Packets that were decoded, that were not, that gave no picture, or none or a bad one."""
        self.repeated_until = float("-inf")
        """Until when empty packets repeat the last picture."""
        self.skips = skips
        self._ahead: deque[Any] = deque()
        self._key: int | None = None
        self._due: int | None = None
        self._latest = float("-inf")
        self._pixels = 0

    def from_beginning(self) -> Iterator[VideoFrame]:
        """Yield the pictures from where a container that was just opened stands."""
        return self._pictures(self._clock.steady(packets_of(self._container, self._stream)))

    def from_key_before(self, time: float) -> Iterator[VideoFrame]:
        """Yield the pictures from a key frame on, near the last one before `time`.

        Without an index this is a guess: the first picture may be later than `time`.
        """
        seek(self._container, time)
        self._ahead.clear()
        self._latest = float("-inf")
        packets = packets_of(self._container, self._stream)
        key = next((packet for packet in packets if packet.is_keyframe and packet.size), None)
        if key is None:
            return
        self._key = key.pts
        self._ahead.append(key)
        yield from self._pictures(packets)

    def missed_key(self, frame: VideoFrame) -> bool:
        """Return whether decoding began anew with a key frame that was not shown.

        Films that are refreshed bit by bit have such key frames; `frame` is the first one shown.
        """
        due, self._due = self._due, None
        return due is not None and frame.pts is not None and frame.pts > due

    def _pictures(self, packets: Iterator[Any]) -> Iterator[VideoFrame]:
        while (packet := self._next(packets)) is not None:
            yield from self._decode(packet)
        flush: Packet[Any] = Packet()
        flush.time_base = self._stream.time_base or Fraction(1)
        yield from self._decode(flush)

    def _next(self, packets: Iterator[Any]) -> Any:  # noqa: ANN401
        """Return the next packet to decode; None at the end."""
        while not self._ahead or self._looks_further():
            packet = self._read(packets)
            if packet is None:
                break
            if packet.size == 0:
                self._repeat(packet)
            elif self._leads(packet):
                self.dropped += 1
            else:
                self._enter(packet)
                self._ahead.append(packet)
        return self._ahead.popleft() if self._ahead else None

    def _read(self, packets: Iterator[Any]) -> Any:  # noqa: ANN401
        """Return the next packet; None at the end, or where the file cannot be read on."""
        try:
            return next(packets, None)
        except (av.error.InvalidDataError, av.error.EOFError):
            self._lose()
            return None

    def _looks_further(self) -> bool:
        dts = self._ahead[-1].dts
        if dts is None or len(self._ahead) >= _LOOK_AHEAD:
            return False
        return bool(dts * self._ahead[-1].time_base <= self.wanted)

    def _leads(self, packet: Any) -> bool:  # noqa: ANN401
        """Return whether a packet is shown before the key frame that decoding began with."""
        if self._key is None or packet.pts is None:
            return False
        if packet.pts < self._key:
            return True
        self._key = None
        return False

    def _enter(self, packet: Any) -> None:  # noqa: ANN401
        """Begin anew with a packet that makes those before it unnecessary."""
        if not (self.skips and self._ahead and packet.is_keyframe) or packet.pts is None:
            return
        if packet.pts * packet.time_base <= self.wanted:
            self.dropped += len(self._ahead)
            self._ahead.clear()
            self._context.flush_buffers()
            self._key = self._due = packet.pts

    def _repeat(self, packet: Any) -> None:  # noqa: ANN401
        """Note an empty packet: the picture before it is shown on."""
        if packet.pts is not None:
            self.repeated_until = float((packet.pts + (packet.duration or 0)) * packet.time_base)

    def _decode(self, packet: Any) -> Iterator[VideoFrame]:  # noqa: ANN401
        if packet.size:
            self._count()
            self._skip_if_unseen(packet)
        try:
            frames = self._context.decode(packet)
        except (av.error.InvalidDataError, av.error.EOFError):
            self._lose()
            return
        for frame in frames:
            self.damaged += frame.is_corrupt
            check_pixels(frame.width, frame.height, self._limits)
            self._pixels += frame.width * frame.height
            if self._pixels > self._limits.decoded_pixels:
                raise pixels_exceeded(self._pixels, self._limits)
            yield frame

    def _lose(self) -> None:
        self.lost += 1
        self.damaged += 1

    def _skip_if_unseen(self, packet: Any) -> None:  # noqa: ANN401
        """Leave out a picture that no other one refers to, if a later one is shown by then."""
        if packet.pts is None:
            self._context.skip_frame = "DEFAULT"
            return
        time = float(packet.pts * packet.time_base)
        unseen = time < self._latest <= self.wanted
        self._context.skip_frame = "NONREF" if unseen else "DEFAULT"
        self._latest = max(self._latest, time)

    def _count(self) -> None:
        self.decoded += 1
        if self.decoded > self._limits.frames:
            raise ClipTooLarge(
                f"more than {self._limits.frames} frames of the clip have to be decoded; ask for "
                "less with start and end",
                limit=self._limits.frames,
                actual=self.decoded,
            )
