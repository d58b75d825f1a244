"""Open untrusted media: allow-lists, limits, error translation.

Only formats, protocols and codecs on the lists below are opened. The bytes are read through a file
object, never by name, so that a playlist cannot point FFmpeg at another file of this machine.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from ssuformer.errors import (
    ClipEmpty,
    ClipTooLarge,
    ClipUnreadable,
)
from ssuformer.media.encryption import refuse_encrypted
from ssuformer.media.file_kind import (
    FORMATS,
    refuse_cut_index,
    refuse_long_index,
    refuse_pictures,
    why_unreadable,
)

VIDEO_CODECS = frozenset(
    (
        *("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video"),
        *("theora", "mjpeg", "prores", "flv1", "h263"),
    )
)
AUDIO_CODECS = frozenset(
    (
        *("aac", "aac_latm", "mp3", "mp2", "opus", "vorbis", "flac", "alac", "ac3", "eac3"),
        *("amr_nb", "amr_wb"),
    )
)
UNCOMPRESSED = ("pcm_", "adpcm_")
"""How the names of allowed audio codecs begin that are not in the list."""

_CONTAINER_TIME_BASE = 1_000_000

Source = Path | bytes | int
"""Media as a file, as bytes, or as an open file descriptor (which is not closed)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on one clip, enforced while decoding; exceeding one raises ClipTooLarge."""

    bytes: int = 256 * 2**20
    pixels: int = 4096 * 2304
    """Of one frame."""
    frames: int = 40_000
    """Decoded frames, whether or not they are sampled."""
    decoded_pixels: float = 16e9
    """Of all decoded frames together."""
    seconds: float = 600.0
    """Of the part that is read."""
    samples: int = 6_000
    """Frames sampled."""
    damaged_share: float = 0.5
    """If a larger share of frames is damaged or missing, the clip is ClipTruncated."""
    tracks: int = 128
    """Of all kinds, subtitles included."""
    threads: int = 2


@dataclass(frozen=True, slots=True)
class ClipInfo:
    """Properties stated by the clip; width and height are as displayed, after rotation."""

    duration: float | None
    """Seconds of the tracks that are read, as the clip states them; None if it does not."""
    width: int
    height: int
    rotation: int
    """Degrees counter-clockwise that were applied: 0, 90, 180 or 270."""
    mirrored: bool
    """Whether left and right were exchanged, after turning."""
    fps: float | None
    """Average frames per second of the source; None if it is not stated."""
    has_audio: bool
    video_codec: str
    audio_codec: str | None
    video_track: int
    """Number of the track among the video tracks, from 0."""
    audio_track: int | None


@dataclass(frozen=True, slots=True)
class ClipWarning:
    """A warning about the answer: a code for programs, a message for people."""

    code: str
    message: str


class _DescriptorReader(io.RawIOBase):
    """Reads an open file with its own position, so that several readers can share it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._position}.get(whence)
        if origin is None:
            origin = os.lseek(self._descriptor, 0, os.SEEK_END)
        self._position = max(0, origin + offset)
        return self._position

    def read(self, size: int | None = -1) -> bytes:
        wanted = 2**30 if size is None or size < 0 else size
        data = os.pread(self._descriptor, wanted, self._position)
        self._position += len(data)
        return data


def open_bytes(source: Source) -> BinaryIO:
    """Return a new, independent reader over the source."""
    if isinstance(source, bytes):
        return io.BytesIO(source)
    if isinstance(source, int):
        return _DescriptorReader(source)  # type: ignore[return-value]
    return source.open("rb")


@contextmanager
def ffmpeg_errors() -> Iterator[None]:
    """Translate PyAV exceptions into this project's errors."""
    try:
        yield
    except (MemoryError, av.error.MemoryError) as error:
        raise ClipTooLarge("the clip needs more memory to decode than allowed") from error
    except av.error.FFmpegError as error:
        if error.errno == errno.ENOMEM:
            raise ClipTooLarge("the clip needs more memory to decode than allowed") from error
        raise ClipUnreadable(f"the clip cannot be read: {error.strerror}") from error


@contextmanager
def _closed_on_error(file: BinaryIO) -> Iterator[None]:
    try:
        yield
    except BaseException:
        file.close()
        raise


@dataclass(frozen=True, slots=True)
class OpenMedia:
    """A container and its open file."""

    container: InputContainer
    file: BinaryIO

    def close(self) -> None:
        """Close both."""
        self.container.close()
        self.file.close()


def open_media(source: Source, limits: Limits) -> OpenMedia:
    """Open media after checking its size; raise a ClipError with the reason if it is rejected."""
    file = open_bytes(source)
    with _closed_on_error(file):
        return OpenMedia(_open_container(file, limits), file)


def _open_container(file: BinaryIO, limits: Limits) -> InputContainer:
    size = file.seek(0, io.SEEK_END)
    if size == 0:
        raise ClipEmpty("the clip is empty")
    if size > limits.bytes:
        raise ClipTooLarge(
            f"the clip has {size} bytes, the limit is {limits.bytes}",
            limit=limits.bytes,
            actual=size,
        )
    refuse_pictures(file)
    refuse_encrypted(file)
    refuse_long_index(file)
    refuse_cut_index(file)
    options = {
        "format_whitelist": FORMATS,
        "protocol_whitelist": "none",
        "max_streams": str(limits.tracks),
    }
    try:
        with ffmpeg_errors():
            return av.open(file, mode="r", options=options, metadata_errors="replace")
    except ClipTooLarge as error:
        raise ClipTooLarge(
            f"the clip has more than {limits.tracks} tracks, or needs more memory than allowed",
            limit=limits.tracks,
        ) from error
    except (ClipUnreadable, UnicodeError) as error:
        raise why_unreadable(file, error) from error


def packets_of(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Yield the packets of some streams, in the order of the file.

    Where PyAV ends the streams, it stumbles over those that appeared midway (IndexError). A second
    file in the same one that FFmpeg cannot read ends them, too (see `joints`).
    """
    with suppress(IndexError, av.error.PatchWelcomeError):
        yield from container.demux(*streams)


def is_empty(packet: Packet[Any]) -> bool:
    """Return whether a packet holds nothing but its time, unlike the one that ends a stream."""
    return packet.size == 0 and packet.pts is not None


def codec_name(stream: VideoStream | AudioStream) -> str:
    """Return the codec's name independent of the decoder; `unknown` if there is no decoder."""
    context = stream.codec_context
    return "unknown" if context is None else str(context.codec.canonical_name)


def check_pixels(width: int, height: int, limits: Limits) -> None:
    """Raise ClipTooLarge if a frame of this size exceeds the limit."""
    if width * height > limits.pixels:
        raise ClipTooLarge(
            f"a frame has {width}x{height} pixels, the limit is {limits.pixels} in total",
            limit=limits.pixels,
            actual=width * height,
        )


def container_seconds(container: InputContainer) -> float | None:
    """Return the duration the container states in seconds, all tracks included, or None."""
    duration = container.duration
    return duration / _CONTAINER_TIME_BASE if duration and duration > 0 else None


def start_time(container: InputContainer) -> float | None:
    """Return the container's start time in seconds, or None if not stated."""
    start: int | None = container.start_time
    return None if start is None else start / _CONTAINER_TIME_BASE


def seek(container: InputContainer, seconds: float) -> None:
    """Seek to the last keyframe before `seconds`; go to the start, or stay, if that fails."""
    for offset in (int(seconds * _CONTAINER_TIME_BASE), 0):
        with suppress(av.error.FFmpegError):
            container.seek(offset, backward=True)
            return


def square_pixels(
    width: int, height: int, pixel_aspect: Fraction | None, limits: Limits
) -> tuple[int, int]:
    """Return width and height of a stored picture once its pixels are square."""
    if pixel_aspect is not None and pixel_aspect > 0:
        stretched = max(1, round(width * pixel_aspect))
        width = stretched if stretched * height <= limits.pixels else width
    return width, height
