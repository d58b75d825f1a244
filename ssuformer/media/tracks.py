"""Choose the video and the audio track of a clip that are read, and the timeline they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.codec.context import Flags
from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from ssuformer.errors import ClipHasNoVideo, ClipUnsupported, OptionError
from ssuformer.media.opening import (
    AUDIO_CODECS,
    UNCOMPRESSED,
    VIDEO_CODECS,
    ClipWarning,
    Limits,
    check_pixels,
    codec_name,
    container_seconds,
    start_time,
)

Track = VideoStream | AudioStream
AnyTrack = TypeVar("AnyTrack", VideoStream, AudioStream)

_STILL = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
_BESIDE = (
    Disposition.comment
    | Disposition.karaoke
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.descriptions
)
"""What a sound track beside the main one is marked as."""
_NAMED = 10
"""Tracks left out that a warning names; of others it says how many there are."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Numbers of the tracks to read, counted from 0 by kind as FFmpeg does; None: the best one."""

    video: int | None = None
    audio: int | None = None


AUTOMATIC = Choice()


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks that are read; `audio` is None if there is no sound."""

    container: InputContainer
    video: VideoStream
    audio: AudioStream | None
    choice: Choice
    channels: tuple[str, ...] = ()
    """FFmpeg's names of the audio's channels, as the container states them."""

    @property
    def used(self) -> Sequence[Track]:
        """The tracks that are read."""
        return [self.video] if self.audio is None else [self.video, self.audio]

    @property
    def numbers(self) -> tuple[int, int | None]:
        """The numbers of the video and the audio track."""
        streams = self.container.streams
        audio = None if self.audio is None else _index(streams.audio, self.audio)
        return _index(streams.video, self.video), audio

    @property
    def zero(self) -> float | None:
        """Where the earlier track starts, in seconds of the container; None if not stated."""
        starts = [s for s in map(_start, self.used) if s is not None]
        return min(starts, default=start_time(self.container))

    @property
    def seconds(self) -> float | None:
        """Duration of the longer track from `zero` on, as stated by the clip, or None."""
        zero = self.zero or 0.0
        ends = [end for end in map(stated_end, self.used) if end is not None]
        if ends:
            return max(0.0, max(ends) - zero)
        whole = container_seconds(self.container)
        return whole if whole is None or whole <= zero else whole - max(0.0, zero)

    @property
    def sound_missing(self) -> float:
        """By how many seconds the sound ends before the pictures, as stated; 0 if it is not."""
        ends = [stated_end(track) for track in self.used]
        return ends[0] - ends[-1] if ends[0] is not None and ends[-1] is not None else 0.0

    def read_only(self, track: Track) -> None:
        """Make the demuxer skip every track but this one."""
        for stream in self.container.streams:
            if stream.index != track.index:
                stream.discard = Discard.all

    def warnings(self) -> Iterator[ClipWarning]:
        """Yield a warning that names the tracks which nobody chose to leave out."""
        streams = self.container.streams
        left = [] if self.choice.video is not None else _others(streams.video, self.video)
        if self.choice.audio is None and self.audio is not None:
            left += _others(streams.audio, self.audio)
        if left:
            more = [f"{len(left) - _NAMED} more"] if len(left) > _NAMED else []
            named = "; ".join([*left[:_NAMED], *more])
            yield ClipWarning(
                "tracks_left_out",
                f"not used: {named}; video_track and audio_track choose others",
            )


def choose_tracks(container: InputContainer, limits: Limits, choice: Choice) -> Tracks:
    """Return the tracks to read; raise a ClipError if they cannot be decoded.

    Readable tracks come before others, moving pictures before thumbnails, the default track
    before others, main sound before commentary.
    """
    video = _chosen("video_track", container.streams.video, choice.video)
    if video is None:
        raise ClipHasNoVideo("the clip has no video stream")
    if not _readable(video):
        codec = codec_name(video)
        raise ClipUnsupported(f"the video codec {codec} is not supported", actual=codec)
    check_pixels(video.codec_context.width, video.codec_context.height, limits)
    # Without it, less is cut off on the left than the film says: whole blocks of memory only.
    video.codec_context.flags |= Flags.unaligned
    audio = _chosen("audio_track", container.streams.audio, choice.audio)
    if audio is not None and not _readable(audio):
        codec = codec_name(audio)
        raise ClipUnsupported(f"the audio codec {codec} is not supported", actual=codec)
    channels = () if audio is None else take_layout(audio)
    return Tracks(container, video, audio, choice, channels)


def take_layout(track: AudioStream) -> tuple[str, ...]:
    """Return FFmpeg's names of the channels, and leave the decoder a layout without own names.

    PyAV 18 frees the list of names of such a layout once for the decoder or frame and once for
    Python. Taken from the decoder before any frame is decoded, only Python's is left.
    """
    context = track.codec_context
    layout = context.layout
    if layout.nb_channels == 0:
        return ()
    names = tuple(channel.name for channel in layout.channels)
    context.layout = _without_names(layout)
    return names


def _without_names(layout: AudioLayout) -> str:
    """Return the name of the layout, or of a usual one of as many channels if it has own names."""
    count = layout.nb_channels
    if not layout.name.startswith(f"{count} channels ("):
        return layout.name
    with suppress(ValueError):
        return AudioLayout(f"{count}c").name
    return f"{count} channels"


def stated_end(track: Track) -> float | None:
    """Return where a track ends, in seconds of the container; None if it is not stated."""
    if track.duration is None or track.time_base is None:
        return _tagged_end(track)
    return float(((track.start_time or 0) + track.duration) * track.time_base)


def _chosen(option: str, tracks: Sequence[AnyTrack], number: int | None) -> AnyTrack | None:
    if number is None:
        moving = [track for track in tracks if not track.disposition & Disposition.attached_pic]
        return max(moving, key=_rank, default=None)
    if number >= len(tracks):
        raise OptionError(
            f"{option} is {number}, the clip has {len(tracks)}, counted from 0",
            limit=len(tracks) - 1,
            actual=number,
        )
    return tracks[number]


def _rank(track: Track) -> tuple[bool, ...]:
    thumbnail = track.frames == 1 or codec_name(track) == "mjpeg"
    still = isinstance(track, VideoStream) and (bool(track.disposition & _STILL) or thumbnail)
    default = bool(track.disposition & Disposition.default)
    return _readable(track), not still, default, not track.disposition & _BESIDE


def _readable(track: Track) -> bool:
    codec = codec_name(track)
    if isinstance(track, VideoStream):
        return codec in VIDEO_CODECS
    return codec in AUDIO_CODECS or codec.startswith(UNCOMPRESSED)


def _start(track: Track) -> float | None:
    if track.start_time is None or track.time_base is None:
        return None
    return float(track.start_time * track.time_base)


def _tagged_end(track: Track) -> float | None:
    """Return the end that Matroska writes as a tag, `00:01:02.500000000`."""
    try:
        hours, minutes, seconds = track.metadata.get("DURATION", "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return None


def _index(tracks: Sequence[Track], track: Track) -> int:
    return [one.index for one in tracks].index(track.index)


def _others(tracks: Sequence[Track], used: Track) -> list[str]:
    return [
        _described(number, track)
        for number, track in enumerate(tracks)
        if track.index != used.index and not track.disposition & Disposition.attached_pic
    ]


def _described(number: int, track: Track) -> str:
    facts = [codec_name(track), track.language or "", track.metadata.get("title", "")]
    if track.disposition & _BESIDE:
        facts.append("not the main sound")
    return f"{track.type} track {number} ({', '.join(fact for fact in facts if fact)[:80]})"
