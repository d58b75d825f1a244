"""Read one second of mono audio at 16 kHz around given times, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from ssuformer.contract import SAMPLE_RATE
from ssuformer.errors import ClipUnsupported
from ssuformer.media.clock import STEADY, Clock
from ssuformer.media.mono_mix import MonoMix
from ssuformer.media.opening import (
    UNCOMPRESSED,
    ClipWarning,
    Limits,
    Source,
    codec_name,
    ffmpeg_errors,
    is_empty,
    open_media,
    packets_of,
    seek,
)
from ssuformer.media.sound_level import SoundLevel
from ssuformer.media.tracks import AUTOMATIC, Choice, choose_tracks

Waveform = NDArray[np.float32]
"""[16000], -1..1."""

_JITTER = SAMPLE_RATE // 60
"""Samples by which time stamps may miss where the sound before them ends."""

_FAR = SAMPLE_RATE
"""Samples by which a time stamp that no other one agrees with may miss."""

_LEAST_RATE = 1000
"""Samples per second of a track. A megabyte at one a second would be 32 GB once resampled."""

_TRIMMED_UNSAID = SAMPLE_RATE // 10
"""Samples of overlap that are cut without a warning."""


class AudioReader:
    """A clip's audio on the timeline starting at `zero`; times passed to `around` must increase."""

    def __init__(
        self,
        source: Source,
        *,
        limits: Limits,
        zero: float,
        choice: Choice = AUTOMATIC,
        clock: Clock = STEADY,
        start: float = 0.0,
    ) -> None:
        self._zero = zero
        self._last_sample = int((start + limits.seconds + 1) * SAMPLE_RATE)
        self._media = open_media(source, limits)
        self._container = self._media.container
        try:
            tracks = choose_tracks(self._container, limits, choice)
        except BaseException:
            self.close()
            raise
        self._clock = clock
        self._stream = tracks.audio
        self._channels = tracks.channels
        self._blocks: deque[tuple[int, Waveform]] = deque()
        self._end = 0
        self._ended = self._stream is None
        self._damaged = 0
        self._surplus = self._trimmed = 0
        self._level = SoundLevel()
        self._expected: float | None = None
        self._doubted: AudioFrame | None = None
        self._kind: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None
        self._mix = MonoMix(())
        self._pieces: Iterator[Waveform] = iter(())
        if self._stream is not None:
            tracks.read_only(self._stream)
            if start > 1 and not clock.jumps:
                seek(self._container, start - 1 + zero)
            self._pieces = self._decode(self._stream)

    @property
    def end(self) -> float:
        """Up to when audio has been decoded, in seconds."""
        return self._end / SAMPLE_RATE

    @property
    def ended(self) -> bool:
        """Whether all audio has been decoded."""
        return self._ended

    def reaches(self, time: float) -> bool:
        """Return whether there is audio at `time` or later."""
        self._decode_until(round(time * SAMPLE_RATE) + 1)
        return time < self.end

    def around(self, time: float) -> Waveform:
        """Return the second of audio centred on `time`; silence where there is none."""
        begin = round((time - 0.5) * SAMPLE_RATE)
        self._decode_until(begin + SAMPLE_RATE)
        while self._blocks and self._blocks[0][0] + len(self._blocks[0][1]) <= begin:
            self._blocks.popleft()
        second = np.zeros(SAMPLE_RATE, np.float32)
        for at, block in self._blocks:
            low, high = max(at, begin), min(at + len(block), begin + SAMPLE_RATE)
            if low < high:
                second[low - begin : high - begin] = block[low - at : high - at]
        return second

    def warnings(self) -> Iterator[ClipWarning]:
        """Yield the problems found in the audio that was read."""
        if self._stream is None:
            yield ClipWarning("no_audio", "the clip has no audio; silence was used instead")
        else:
            yield from self._level.warnings()
        if self._trimmed > _TRIMMED_UNSAID:
            seconds = self._trimmed / SAMPLE_RATE
            yield ClipWarning(
                "audio_clock",
                f"the audio's time stamps give it {seconds:.1f} s less than its samples; overlaps "
                "were cut",
            )
        if self._damaged:
            yield ClipWarning("audio_damaged", f"{self._damaged} audio packets are damaged")

    def close(self) -> None:
        """Release the decoder."""
        self._media.close()

    def _decode_until(self, sample: int) -> None:
        with ffmpeg_errors():
            while not self._ended and self._end < min(sample, self._last_sample):
                if next(self._pieces, None) is None:
                    self._ended = True

    def _decode(self, stream: AudioStream) -> Iterator[Waveform]:
        packets = self._clock.steady(packets_of(self._container, stream))
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None or is_empty(packet) else packet.decode()
            except (av.error.InvalidDataError, av.error.EOFError):
                self._damaged += 1
                continue
            if packet is None:
                break
            for frame in frames:
                yield from self._place(frame)
        if self._doubted is not None:
            yield from self._put(self._doubted, at=self._expected)
        yield from self._flush()

    def _place(self, frame: AudioFrame) -> Iterator[Waveform]:
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

    def _put(self, frame: AudioFrame, *, at: float | None) -> Iterator[Waveform]:
        at = at or 0.0
        if self._expected is None:
            self._end, self._expected = round(at), at
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
            self._trimmed += self._surplus

    def _resample(self, frame: AudioFrame) -> Iterator[Waveform]:
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
        if self._stream is not None and codec_name(self._stream).startswith(UNCOMPRESSED):
            return self._channels
        return [channel.name for channel in frame.layout.channels]

    def _flush(self) -> Iterator[Waveform]:
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            yield from map(self._keep, resampler.resample(None))

    def _keep(self, frame: AudioFrame) -> Waveform:
        packed = frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
        channels = np.nan_to_num(packed.T).clip(-1, 1)
        cut, self._surplus = self._surplus, max(0, self._surplus - channels.shape[1])
        channels = channels[:, cut:]
        block = self._mix.mix(channels)
        self._level.add(channels, block)
        self._blocks.append((self._end, block))
        self._end += len(block)
        return block
