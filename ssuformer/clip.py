"""Decode media into engine inputs: frames of 224x224 and the second of audio around each of them.

Frame i shows the picture at the middle of its interval, `start + (i + 0.5) / fps`, on one timeline
made from the presentation times of video and audio. Memory does not grow with the clip's length:
`ClipReader.chunks` decodes on demand, `read_clip` joins all chunks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
from numpy.typing import NDArray

from ssuformer.closing import Closing
from ssuformer.errors import ClipTruncated, OptionError
from ssuformer.media.audio_reader import AudioReader, Waveform
from ssuformer.media.clock import read_clock
from ssuformer.media.file_end import cut_off
from ssuformer.media.opening import ClipInfo, ClipWarning, Limits, Source, open_bytes
from ssuformer.media.part import check_part, check_work
from ssuformer.media.tracks import Choice
from ssuformer.media.video_reader import Frame, Packets, VideoReader

__all__ = [
    "Chunk",
    "Clip",
    "ClipInfo",
    "ClipReader",
    "ClipWarning",
    "Limits",
    "Packets",
    "Sampling",
    "read_clip",
]

MOST_FPS = 30.0
"""Most frames per second that can be sampled."""

_MOST_SECONDS = 1e6
"""The latest time that may be asked for; far beyond any clip, and safe in microseconds."""
_WHOLE_SHARE = 0.95
_SHORTER_UNSAID = 0.5
"""Seconds by which the sound may end before the pictures without a warning."""
_LONGER_UNSAID = 0.1
"""Seconds by which it may end after them: codecs fill up the last of their blocks."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """What to read: frames per second, between two times of the clip in seconds, which tracks.

    Tracks are numbered from 0 among those of their kind; None takes the best one. A clip may be
    read in parts: `most` frames after the first `skip` ones.
    """

    fps: float = 1.0
    start: float = 0.0
    end: float | None = None
    video_track: int | None = None
    audio_track: int | None = None
    skip: int = 0
    most: int | None = None

    def __post_init__(self) -> None:
        """Raise OptionError for a value that is no time of a clip."""
        _check("fps", self.fps, least=0.001, most=MOST_FPS)
        _check("start", self.start, least=0.0, most=_MOST_SECONDS)
        if self.end is not None:
            _check("end", self.end, least=self.start, most=_MOST_SECONDS)
        _check("skip", self.skip / self.fps, least=0.0, most=_MOST_SECONDS)

    @property
    def begins(self) -> float:
        """Where the interval of the first frame that is read begins."""
        return self.start + self.skip / self.fps

    @property
    def ends(self) -> float | None:
        """Where reading stops at the latest."""
        if self.most is None:
            return self.end
        last = self.begins + self.most / self.fps
        return last if self.end is None else min(last, self.end)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive frames of a clip: uint8 [t 224 224 3], float32 [t 16000] and seconds [t]."""

    frames: NDArray[np.uint8]
    waveform: NDArray[np.float32]
    times: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Clip:
    """A whole clip as engine inputs, with its properties and warnings."""

    frames: NDArray[np.uint8]
    waveform: NDArray[np.float32]
    times: NDArray[np.float64]
    duration: float
    info: ClipInfo
    warnings: tuple[ClipWarning, ...]


class ClipReader(Closing):
    """Decodes a clip in order, as a context manager; the source is a path, bytes or a descriptor.

    Raises a ClipError that names the problem and the limit, when opened or while read.
    """

    def __init__(
        self, source: Source, *, sampling: Sampling | None = None, limits: Limits | None = None
    ) -> None:
        self._source = source
        self._sampling = sampling or Sampling()
        self._limits = limits or Limits()
        start = self._sampling.begins
        choice = Choice(self._sampling.video_track, self._sampling.audio_track)
        clock = read_clock(source, self._limits, choice)
        self._pictures = VideoReader(
            source, limits=self._limits, choice=choice, clock=clock, start=start
        )
        zero = self._pictures.zero
        try:
            self._sound = AudioReader(
                source, limits=self._limits, choice=choice, clock=clock, zero=zero, start=start
            )
        except BaseException:
            self._pictures.close()
            raise
        self.info = self._pictures.info
        try:
            self._check_part()
        except BaseException:
            self.close()
            raise
        self._warnings: list[ClipWarning] = []
        self._held = False
        self._duration = self.info.duration or 0.0

    def _check_part(self) -> None:
        """Raise ClipTooLarge if what is asked for is over a limit, as far as the clip tells."""
        part, limits = self._sampling, self._limits
        known = max(self.info.duration or 0.0, self._pictures.reached)
        begin, end = part.begins, known if part.ends is None else min(known, part.ends)
        check_part(end - begin, part.fps, limits)
        zero = self._pictures.zero
        check_work(
            self._pictures.tracks.video, begin + zero, end + zero, fps=part.fps, limits=limits
        )

    def close(self) -> None:
        """Release the decoders."""
        self._pictures.close()
        self._sound.close()

    @property
    def duration(self) -> float:
        """Seconds: measured once the last chunk has been read, stated by the container before."""
        return self._duration

    @property
    def packets(self) -> Packets:
        """How many packets of the film have been decoded and dropped so far."""
        return self._pictures.packets

    @property
    def warnings(self) -> tuple[ClipWarning, ...]:
        """The warnings about the clip; complete once the last chunk has been read."""
        return tuple(self._warnings)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Yield all frames in order, at most `size` at a time, then check the clip."""
        moments = self._moments()
        while batch := list(islice(moments, size)):
            yield Chunk(
                frames=np.stack([picture for _, picture, _ in batch]),
                waveform=np.stack([second for _, _, second in batch]),
                times=np.array([time for time, _, _ in batch]),
            )
        self._judge()

    def _moments(self) -> Iterator[tuple[float, Frame, Waveform]]:
        for time in self._times():
            picture = self._pictures.at(time)
            if picture is None and self._sound.reaches(time):
                picture, self._held = self._pictures.latest(), True
            if picture is None:
                break
            yield time, picture, self._sound.around(time)
        else:
            return
        if time == self._first_time():
            yield self._only_moment()

    def _times(self) -> Iterator[float]:
        first, step, end = self._first_time(), 1 / self._sampling.fps, self._sampling.end
        for i in islice(count(), self._sampling.most):
            number = self._sampling.skip + i
            time = first + number * step
            if end is not None and time >= end and number > 0:
                return
            check_part(i * step, self._sampling.fps, self._limits)
            yield time

    def _first_time(self) -> float:
        """Half an interval after the start, or the middle of the requested part if shorter."""
        start, half = self._sampling.start, 0.5 / self._sampling.fps
        ends = [end for end in (self._sampling.end, self.info.duration) if end is not None]
        length = min(ends, default=start + 2 * half) - start
        return start + (half if length > half else max(length, 0.0) / 2)

    def _only_moment(self) -> tuple[float, Frame, Waveform]:
        """Return the last picture: the clip ended before the middle of its first interval."""
        end = max(self._pictures.end or 0.0, self._sound.end)
        if self._sampling.start >= end > 0:
            raise OptionError(
                f"start is {self._sampling.start:g} s, the clip ends at {end:.3f} s",
                limit=round(end, 3),
                actual=self._sampling.start,
            )
        time = (self._sampling.start + end) / 2
        return time, self._pictures.latest(), self._sound.around(time)

    def _judge(self) -> None:
        """Collect the warnings, and raise ClipTruncated if too much of the clip is missing."""
        self._warnings += [*self._pictures.warnings(), *self._sound.warnings()]
        missing = self._sound_missing()
        if missing > _SHORTER_UNSAID:
            self._warnings.append(
                ClipWarning(
                    "audio_shorter",
                    f"the audio ends {missing:.1f} s before the pictures; if that much was cut out "
                    "of it, what follows the cut is heard too early",
                )
            )
        if self._held and self._sound.end - (self._pictures.end or 0.0) > _LONGER_UNSAID:
            self._warnings.append(
                ClipWarning("picture_held", "the audio continues after the last video frame")
            )
        if self._pictures.end is None:
            return
        reached = max(self._pictures.end, self._sound.end)
        self._duration = reached
        stated = self.info.duration or reached
        share = reached / stated
        if share < 1 - self._limits.damaged_share:
            raise ClipTruncated(
                f"the container states {stated:.1f} s but the clip ends after {reached:.1f} s",
                limit=round(stated, 3),
                actual=round(reached, 3),
            )
        with open_bytes(self._source) as file:
            cut = cut_off(file)
        if share < _WHOLE_SHARE or cut is not None:
            of = f" of {stated:.1f}" if share < _WHOLE_SHARE else ""
            why = "" if cut is None else f"; the file was cut off: {cut.told}"
            self._warnings.append(
                ClipWarning("clip_incomplete", f"only {reached:.1f}{of} s were read{why}")
            )

    def _sound_missing(self) -> float:
        """Return by how many seconds the sound ends before the pictures, read or as stated."""
        if self._pictures.end is None or not self._sound.ended:
            return self._pictures.tracks.sound_missing
        return self._pictures.end - self._sound.end if self.info.has_audio else 0.0


def _check(name: str, value: float, *, least: float, most: float) -> None:
    if not least <= value <= most:
        raise OptionError(
            f"{name} is {value:g}, it must be from {least:g} to {most:g}",
            limit=least if value < least else most,
            actual=str(value),
        )


def read_clip(
    source: Source, *, sampling: Sampling | None = None, limits: Limits | None = None
) -> Clip:
    """Return the whole clip as engine inputs; for clips that fit in memory."""
    with ClipReader(source, sampling=sampling, limits=limits) as reader:
        chunks = list(reader.chunks(32))
        return Clip(
            frames=np.concatenate([chunk.frames for chunk in chunks]),
            waveform=np.concatenate([chunk.waveform for chunk in chunks]),
            times=np.concatenate([chunk.times for chunk in chunks]),
            duration=reader.duration,
            info=reader.info,
            warnings=reader.warnings,
        )
