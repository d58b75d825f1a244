"""Decode one sound track from a place of its file on: blocks of mono at 16 kHz, with their places.

What is decoded depends on where decoding begins: decoders fill in noise by generators that begin
anew, and the phase of the resampler is that of the first sample.

Axes: c channels, n samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from ssuformer.contract import SAMPLE_RATE
from ssuformer.errors import ClipUnsupported
from ssuformer.media.clock import Clock
from ssuformer.media.mono_mix import MonoMix
from ssuformer.media.opening import (
    UNCOMPRESSED,
    Limits,
    Source,
    codec_name,
    ffmpeg_errors,
    is_empty,
    open_media,
    packets_of,
    seek,
)
from ssuformer.media.tracks import Choice, choose_tracks

Samples = NDArray[np.float32]

_JITTER = SAMPLE_RATE // 60
"""Samples by which time stamps may miss where the sound before them ends."""

_FAR = SAMPLE_RATE
"""Samples by which a time stamp that no other one agrees with may miss."""

_LEAST_RATE = 1000
"""Samples per second of a track. A megabyte at one a second would be 32 GB once resampled."""

_WARM_SECONDS = 1.0
"""How long before it is used sound is sought: decoders and resamplers need some to settle."""


class Block(NamedTuple):
    """Samples that follow each other: the first one's number, all channels [c n], the mix [n]."""

    at: int
    channels: Samples
    mono: Samples

    @property
    def end(self) -> int:
        """The number of the sample after the last."""
        return self.at + len(self.mono)

    def within(self, begin: int, end: int | None) -> Block:
        """Return what of it lies between two samples."""
        low = min(max(begin - self.at, 0), len(self.mono))
        high = len(self.mono) if end is None else min(max(low, end - self.at), len(self.mono))
        return Block(self.at + low, self.channels[:, low:high], self.mono[low:high])


class SoundStretch:
    """A sound track of a clip from some sample on, or from its beginning.

    Samples are numbered on the timeline that starts at `zero`.
    """

    def __init__(
        self,
        source: Source,
        *,
        limits: Limits,
        zero: float,
        choice: Choice,
        clock: Clock,
        begin: int = 0,
    ) -> None:
        self._zero, self.begin = zero, begin
        self._media = open_media(source, limits)
        self._container = self._media.container
        try:
            tracks = choose_tracks(self._container, limits, choice)
        except BaseException:
            self.close()
            raise
        self._clock = clock
        self.stream = tracks.audio
        self._channels = tracks.channels
        self.first: int | None = None
        """The first sample, once one has been decoded."""
        self._end = 0
        self.damaged = 0
        """Packets that could not be decoded, of those that were to be used."""
        self.trimmed = 0
        """Samples that overlapped the sound before them."""
        self._surplus = 0
        self._expected: float | None = None
        self._doubted: AudioFrame | None = None
        self._kind: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None
        self._mix = MonoMix(())
        self._ready: list[Block] = []
        self._blocks: Iterator[Block] = iter(())
        if self.stream is not None:
            tracks.read_only(self.stream)
            if begin:
                seek(self._container, begin / SAMPLE_RATE - _WARM_SECONDS + zero)
            self._blocks = self._decode(self.stream)

    def begins(self) -> int | None:
        """Return the first sample; None if there is no sound."""
        while self.first is None and (block := self._pull()) is not None:
            self._ready.append(block)
        return self.first

    def lead(self, count: int) -> Samples:
        """Return so many samples before it begins [n], with silence where there is no sound."""
        lead, first = np.zeros(count, np.float32), self.begin - count
        while not self._ready or self._ready[-1].end < self.begin:
            if (block := self._pull()) is None:
                break
            self._ready.append(block)
        for block in self._ready:
            part = block.within(first, self.begin)
            if len(part.mono):
                lead[part.at - first : part.end - first] = part.mono
        return lead

    def next(self) -> Block | None:
        """Return the next block; None after the last."""
        return self._ready.pop(0) if self._ready else self._pull()

    def close(self) -> None:
        """Release the decoder."""
        self._media.close()

    def _pull(self) -> Block | None:
        with ffmpeg_errors():
            return next(self._blocks, None)

    def _decode(self, stream: AudioStream) -> Iterator[Block]:
        packets = self._clock.steady(packets_of(self._container, stream))
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None or is_empty(packet) else packet.decode()
            except (av.error.InvalidDataError, av.error.EOFError):
                self.damaged += self._end >= self.begin
                continue
            if packet is None:
                break
            for frame in frames:
                yield from self._place(frame)
        if self._doubted is not None:
            yield from self._put(self._doubted, at=self._expected)
        yield from self._flush()

    def _place(self, frame: AudioFrame) -> Iterator[Block]:
        """Put a frame where its time stamp says, once the next one agrees if that is far away."""
        doubted, self._doubted = self._doubted, None
        if doubted is not None:
            agrees = abs(self._stamp(frame) - self._stamp(doubted)) < SAMPLE_RATE
            yield from self._put(doubted, at=self._stamp(doubted) if agrees else self._expected)
        stamp = self._stamp(frame)
        if self._expected is not None and abs(stamp - self._expected) > _FAR:
            self._doubted = frame
        else:
            yield from self._put(frame, at=stamp)

    def _stamp(self, frame: AudioFrame) -> float:
        """Return the sample at which a frame starts by its time stamp, or where it comes."""
        if frame.time is None:
            return self._expected or 0.0
        return (frame.time - self._zero) * SAMPLE_RATE

    def _put(self, frame: AudioFrame, *, at: float | None) -> Iterator[Block]:
        at = at or 0.0
        if self._expected is None:
            self.first = self._end = round(at)
            self._expected = at
        elif abs(at - self._expected) > _JITTER:
            yield from self._flush()
            self._correct(round(at))
            self._expected = at
        self._expected += frame.samples * SAMPLE_RATE / frame.sample_rate
        yield from self._resample(frame)

    def _correct(self, start: int) -> None:
        """Go on at sample `start`: after silence, or without what overlaps the sound before it."""
        if start >= self._end:
            self._end, self._surplus = start, 0
        else:
            self._surplus = self._end - start
            if start >= self.begin:
                self.trimmed += self._surplus

    def _resample(self, frame: AudioFrame) -> Iterator[Block]:
        if frame.sample_rate < _LEAST_RATE:
            raise ClipUnsupported(
                f"the sound has {frame.sample_rate} samples per second, the least is {_LEAST_RATE}",
                limit=_LEAST_RATE,
                actual=frame.sample_rate,
            )
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            yield from self._flush()
            self._kind = kind
            self._mix = MonoMix(self._names(frame))
        if self._resampler is None:
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=SAMPLE_RATE)
        yield from map(self._keep, self._resampler.resample(frame))

    def _names(self, frame: AudioFrame) -> Sequence[str]:
        """Return the names of the channels; uncompressed audio has those of the container."""
        if self.stream is not None and codec_name(self.stream).startswith(UNCOMPRESSED):
            return self._channels
        return [channel.name for channel in frame.layout.channels]

    def _flush(self) -> Iterator[Block]:
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            yield from map(self._keep, resampler.resample(None))

    def _keep(self, frame: AudioFrame) -> Block:
        packed = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
        channels = np.nan_to_num(packed.T).clip(-1, 1)
        cut, self._surplus = self._surplus, max(0, self._surplus - channels.shape[1])
        channels = channels[:, cut:]
        block = Block(self._end, channels, self._mix.mix(channels))
        self._end = block.end
        return block
