"""Bridge jumps of a film's clock, as where two recordings were joined in one file.

Only a jump that all tracks make is one of the clock; a gap in one track is a gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import av.error
from av.container import InputContainer

from ssuformer.media.joints import second_film
from ssuformer.media.opening import (
    ClipWarning,
    Limits,
    Source,
    ffmpeg_errors,
    open_bytes,
    open_media,
    packets_of,
)
from ssuformer.media.tracks import Choice, Tracks, choose_tracks

_FORWARD = 10.0
"""Seconds between two packets of a track from which the clock may have jumped."""
_BACKWARD = -1.0
_ALIKE = 5.0
"""Seconds by which the jumps of two tracks may differ and still be one jump of the clock."""
_SYNC = 0x47
_STREAM = "mpegts"


@dataclass(frozen=True, slots=True)
class _Jump:
    """A jump in one track: where it ended before and where it goes on, in seconds of the file."""

    before: float
    after: float

    @property
    def length(self) -> float:
        return self.after - self.before


@dataclass(slots=True)
class _Hand:
    """Follows one track's packets and notes where it jumps."""

    end: float | None = None
    last: float | None = None

    def jump(self, packet: Any) -> _Jump | None:  # noqa: ANN401
        """Return the jump from the packet before to this one, if there is one."""
        if packet.dts is None or packet.pts is None:
            return None
        base = packet.time_base
        decoded, shown = float(packet.dts * base), float(packet.pts * base)
        step = 0.0 if self.last is None else decoded - self.last
        end, self.last = self.end, decoded
        jumped = end is not None and not _BACKWARD <= step <= _FORWARD
        self.end = shown + float((packet.duration or 0) * base)
        if end is not None and not jumped:
            self.end = max(self.end, end)
        return _Jump(end, shown) if jumped and end is not None else None


@dataclass(frozen=True, slots=True)
class Clock:
    """By how many seconds each track of a file is late after each of its jumps."""

    late: Mapping[int, Sequence[float]] = field(default_factory=dict)
    seconds: float | None = None
    """Duration of the file without its jumps; None if there are none."""
    told: str = ""
    code: str = "clock_jumps"

    @property
    def jumps(self) -> bool:
        """Whether the clock jumps, so that times of the file cannot be sought."""
        return self.seconds is not None

    def steady(self, packets: Iterable[Any]) -> Iterator[Any]:
        """Yield all packets of some tracks, from the first on, with times that do not jump."""
        hands: dict[int, _Hand] = defaultdict(_Hand)
        late: dict[int, float] = defaultdict(float)
        lateness = {index: iter(values) for index, values in self.late.items()}
        for packet in packets:
            index = packet.stream.index
            if self.jumps and hands[index].jump(packet) is not None:
                late[index] = next(lateness[index], late[index])
            if late[index]:
                ticks = round(late[index] / packet.time_base)
                packet.pts = None if packet.pts is None else packet.pts - ticks
                packet.dts = None if packet.dts is None else packet.dts - ticks
            yield packet

    def warnings(self) -> Iterator[ClipWarning]:
        """Yield a warning that names the first jump, or what was not read."""
        if self.told:
            yield ClipWarning(self.code, self.told)


STEADY = Clock()


def read_clock(source: Source, limits: Limits, choice: Choice) -> Clock:
    """Return the clock of a file.

    All packets of transport streams, and of files in which a second film begins, are read for it.
    """
    with open_bytes(source) as file:
        second = second_film(file)
        if second is None and _SYNC not in file.read(5)[::4]:
            return STEADY
    media = open_media(source, limits)
    try:
        if second is None and media.container.format.name != _STREAM:
            return STEADY
        clock = _followed(media.container, choose_tracks(media.container, limits, choice))
    finally:
        media.close()
    if second is None or clock.jumps:
        return clock
    told = f"a second film begins at byte {second} of the file; only the first one was read"
    return Clock(told=told, code="films_joined")


def _followed(container: InputContainer, tracks: Tracks) -> Clock:
    """Return the clock by which the packets of some tracks follow each other."""
    found: dict[int, list[_Jump]] = {track.index: [] for track in tracks.used}
    hands = {track.index: _Hand() for track in tracks.used}
    with ffmpeg_errors():
        for packet in _readable(packets_of(container, *tracks.used)):
            jump = hands[packet.stream.index].jump(packet)
            if jump is not None:
                found[packet.stream.index].append(jump)
    ends = [hand.end for hand in hands.values() if hand.end is not None]
    return _bridged(found, zero=tracks.zero or 0.0, end=max(ends, default=0.0))


def _readable(packets: Iterator[Any]) -> Iterator[Any]:
    try:
        yield from packets
    except (av.error.InvalidDataError, av.error.EOFError):
        return


def _bridged(found: Mapping[int, Sequence[_Jump]], *, zero: float, end: float) -> Clock:
    """Return the clock that takes out the jumps which all tracks make."""
    late: dict[int, list[float]] = {index: [] for index in found}
    places = dict.fromkeys(found, 0)
    total, told = 0.0, ""
    while all(places[i] < len(jumps) for i, jumps in found.items()):
        now = {i: jumps[places[i]] for i, jumps in found.items()}
        lengths = [jump.length for jump in now.values()]
        if max(lengths) - min(lengths) > _ALIKE:
            alone = max(now, key=lambda i: len(found[i]) - places[i])
            late[alone].append(total)
            places[alone] += 1
            continue
        before = max(jump.before for jump in now.values())
        length = min(jump.after for jump in now.values()) - before
        told = told or (
            f"the clip's clock jumps by {length:.1f} s after {before - zero:.1f} s; what follows "
            "was joined to what is before"
        )
        total += length
        for i in found:
            late[i].append(total)
            places[i] += 1
    for i, jumps in found.items():
        late[i] += [total] * (len(jumps) - len(late[i]))
    return Clock(late, end - total - zero, told) if told else STEADY
