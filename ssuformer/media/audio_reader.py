"""Read one second of mono audio at 16 kHz around given times, in order.

A track is decoded in stretches of half a minute, each by a decoder that begins anew somewhat before
it. So the samples are the same wherever reading begins: what a job reads in parts is what a request
reads at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ssuformer.contract import SAMPLE_RATE
from ssuformer.media.clock import STEADY, Clock
from ssuformer.media.opening import ClipWarning, Limits, Source
from ssuformer.media.sound_level import SoundLevel
from ssuformer.media.sound_stretch import Block, SoundStretch
from ssuformer.media.tracks import AUTOMATIC, Choice

Waveform = NDArray[np.float32]
"""[16000], -1..1."""

_STRETCH = 30 * SAMPLE_RATE
_LEAST_WARM, _MOST_WARM = SAMPLE_RATE // 4, 15 * SAMPLE_RATE
"""Samples before a stretch that have to be decoded, and may be: where seeking fails, or finds a
place far away, the stretch before goes on instead."""

_FADE = SAMPLE_RATE // 100
"""Samples over which a stretch goes over into the next one: time stamps in milliseconds may put it
somewhat beside where the samples before it end."""

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
        self._last_sample = int((start + limits.seconds + 1) * SAMPLE_RATE)
        self._blocks: deque[tuple[int, Waveform]] = deque()
        self._level = SoundLevel()
        self._damaged = self._trimmed = 0
        self._jumps = clock.jumps
        self._open = partial(
            SoundStretch, source, limits=limits, zero=zero, choice=choice, clock=clock
        )
        self._end = 0
        self._stretch = self._begin(max(0, int((start - 1) * SAMPLE_RATE)))
        self._next = self._stretch.begin + _STRETCH
        """Where the next stretch begins, if sound can be sought there."""
        self._ended = self._stretch.stream is None

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
        if self._stretch.stream is None:
            yield ClipWarning("no_audio", "the clip has no audio; silence was used instead")
        else:
            yield from self._level.warnings()
        trimmed = self._trimmed + self._stretch.trimmed
        if trimmed > _TRIMMED_UNSAID:
            seconds = trimmed / SAMPLE_RATE
            yield ClipWarning(
                "audio_clock",
                f"the audio's time stamps give it {seconds:.1f} s less than its samples; overlaps "
                "were cut",
            )
        if damaged := self._damaged + self._stretch.damaged:
            yield ClipWarning("audio_damaged", f"{damaged} audio packets are damaged")

    def close(self) -> None:
        """Release the decoder."""
        self._stretch.close()

    def _begin(self, sample: int) -> SoundStretch:
        """Return a stretch that begins at a sample or somewhat before."""
        number, step = sample // _STRETCH, 1
        while number > 0:
            if (stretch := self._stretch_at(number * _STRETCH)) is not None:
                return stretch
            number, step = number - step, 2 * step
        return self._open()

    def _stretch_at(self, begin: int) -> SoundStretch | None:
        """Return the stretch that begins at a sample, if sound can be sought there."""
        if self._jumps:
            return None
        stretch = self._open(begin=begin)
        try:
            first = stretch.begins()
        except BaseException:
            stretch.close()
            raise
        found = first is not None and _LEAST_WARM <= begin - first <= _MOST_WARM
        if found or stretch.stream is None:
            return stretch
        stretch.close()
        return None

    def _decode_until(self, sample: int) -> None:
        while not self._ended and self._end < min(sample, self._last_sample):
            block = self._stretch.next()
            if block is None:
                self._ended = True
            else:
                self._take(block)

    def _take(self, block: Block) -> None:
        """Keep a block, up to where the next stretch begins; then go on with that."""
        while block.end >= self._next:
            following = self._stretch_at(self._next)
            if following is not None:
                self._keep(block.within(self._stretch.begin or block.at, self._next))
                self._go_on_with(following)
                return
            self._next += _STRETCH
        self._keep(block.within(self._stretch.begin or block.at, None))
        self._end = max(self._end, block.end)

    def _fade_into(self, stretch: SoundStretch) -> None:
        """Let what is kept of the end of a stretch go over into the one that follows."""
        first, coming = stretch.begin - _FADE, stretch.lead(_FADE)
        share = np.linspace(0, 1, _FADE, dtype=np.float32)
        for at, mono in self._blocks:
            low, high = max(at, first), min(at + len(mono), stretch.begin)
            if low < high:
                going, here = mono[low - at : high - at], slice(low - first, high - first)
                going += share[here] * (coming[here] - going)

    def _keep(self, block: Block) -> None:
        if len(block.mono):
            self._level.add(block.channels, block.mono)
            self._blocks.append((block.at, block.mono))

    def _go_on_with(self, stretch: SoundStretch) -> None:
        self._fade_into(stretch)
        self._damaged += self._stretch.damaged
        self._trimmed += self._stretch.trimmed
        self._stretch.close()
        self._stretch = stretch
        self._end = self._next
        self._next += _STRETCH
