"""Clips put together from tracks of other clips, packet by packet."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import av
from av.packet import Packet
from av.stream import Disposition, Stream

from tests.ssuformer.footage import Footage


@dataclass(frozen=True)
class Track:
    """A track of a clip, as it is to be copied."""

    footage: Footage
    kind: Literal["video", "audio"]
    disposition: Disposition = Disposition(0)  # noqa: RUF009
    retime: Callable[[float], float | None] = lambda time: time
    """From the seconds of a packet to those it gets; None drops it."""


def mux(container: str, *tracks: Track) -> bytes:
    """Return a clip of these tracks, in this order."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as clip:
        packets: list[tuple[float, Packet[Any]]] = []
        sources = [av.open(io.BytesIO(track.footage.make()), "r") for track in tracks]
        for track, source in zip(tracks, sources, strict=True):
            (template,) = source.streams.get({track.kind: 0})
            stream = clip.add_stream_from_template(template)
            stream.disposition = track.disposition
            packets += _copied(track, source.demux(template), stream)
        for _, packet in sorted(packets, key=lambda timed: timed[0]):
            clip.mux(packet)
    return file.getvalue()


def _copied(
    track: Track, packets: Iterator[Packet[Any]], stream: Stream
) -> Iterator[tuple[float, Packet[Any]]]:
    """Yield the packets of a track with the times they had."""
    for packet in packets:
        if packet.size == 0 or packet.dts is None or packet.pts is None:
            continue
        before = float(packet.dts * packet.time_base)
        time = track.retime(before)
        if time is not None:
            late = packet.pts - packet.dts
            packet.dts = round(time / packet.time_base)
            packet.pts = packet.dts + late
            packet.stream = stream
            yield before, packet
