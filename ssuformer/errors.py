"""Every error this project raises on purpose.

    SsuError                       carries a stable `code`, the `limit` and the `actual` value
    ├── ClipError                  the clip is at fault
    │   ├── ClipEmpty              no bytes
    │   ├── ClipUnreadable         not a clip FFmpeg can open, or no frame could be decoded
    │   ├── ClipUnsupported        a format, protocol or codec that is not on the allow-list
    │   ├── ClipHasNoVideo         audio only, or a still picture
    │   ├── ClipTruncated          too much of it is missing or damaged
    │   └── ClipTooLarge           over a cap: bytes, pixels, frames, seconds
    ├── OptionError                a request option is unknown or out of range
    ├── DecodeTimeout              decoding took longer than it may
    ├── DecodeFailed               the decoding process died
    ├── EngineError                an engine could not answer
    │   ├── EngineUnavailable      not loaded, or out of reach
    │   └── EngineMismatch         the files of an engine do not fit the contract or each other
    ├── DeadlineExceeded           the request ran out of time
    ├── Overloaded                 the queue is full
    ├── KeyRefused                 no key, or none that the service knows
    ├── ConfigError                a setting, experiment or checkpoint file is wrong
    └── ParityError                an exported graph does not compute what the model computes

HTTP status codes live in `service/http/problems.py` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class SsuError(Exception):
    """Base of every deliberate error: a message for people, a code for programs."""

    code = "internal"
    retry_after: float | None = None
    """Seconds after which trying again may help; None where it will not."""

    def __init__(
        self, message: str, *, limit: float | str | None = None, actual: float | str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.limit = limit
        self.actual = actual


class ClipError(SsuError):
    """The clip that was sent is at fault."""

    code = "clip_invalid"


class ClipEmpty(ClipError):
    """The request holds no bytes."""

    code = "clip_empty"


class ClipUnreadable(ClipError):
    """FFmpeg cannot open the bytes, or not one frame of them decodes."""

    code = "clip_unreadable"


class ClipUnsupported(ClipError):
    """The container or the codec is not on the allow-list."""

    code = "clip_unsupported"


class ClipHasNoVideo(ClipError):
    """There is no moving picture in the clip."""

    code = "clip_has_no_video"


class ClipTruncated(ClipError):
    """Too large a share of the clip is missing or damaged."""

    code = "clip_truncated"


class ClipTooLarge(ClipError):
    """The clip is over a cap on bytes, pixels, frames or seconds."""

    code = "clip_too_large"


class OptionError(SsuError):
    """A request option is unknown or out of its range."""

    code = "option_invalid"


class DecodeTimeout(SsuError):
    """Decoding took longer than it may and was stopped."""

    code = "decode_timeout"


class DecodeFailed(SsuError):
    """The decoding process died; a new one has taken its place."""

    code = "decode_failed"


class EngineError(SsuError):
    """An engine could not answer."""

    code = "engine_failed"


class EngineUnavailable(EngineError):
    """The engine is not loaded or out of reach; trying again later may help."""

    code = "engine_unavailable"


class EngineMismatch(EngineError):
    """An engine's files do not fit the contract, or do not fit each other."""

    code = "engine_mismatch"


class DeadlineExceeded(SsuError):
    """The request ran out of time; the message names the stage it had reached."""

    code = "deadline_exceeded"


class Overloaded(SsuError):
    """The queue is full; the answer says when to come again."""

    code = "overloaded"


class KeyRefused(SsuError):
    """The request brings no key, or one that the service does not know."""

    code = "key_refused"


class ConfigError(SsuError):
    """A setting, an experiment file or a checkpoint is wrong."""

    code = "config_invalid"


class ParityError(SsuError):
    """An exported graph does not compute what the model computes."""

    code = "parity_failed"


def wrong_fields(error: ValidationError) -> str:
    """Return what pydantic refused, in one line: each field, the value it was given, and why."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))} is {item['input']!r}: {item['msg']}"
        for item in error.errors()
    )
