"""The exception hierarchy of this project.

    SsuError                       carries a stable `code`, the `limit` and the `actual` value
    ├── ClipError                  the clip is invalid
    │   ├── ClipEmpty              no bytes
    │   ├── ClipUnreadable         not a clip FFmpeg can open, or no frame could be decoded
    │   ├── ClipUnsupported        a format, protocol or codec that is not on the allow-list
    │   │   └── ClipEncrypted      encrypted
    │   ├── ClipHasNoVideo         audio only, or a still picture
    │   ├── ClipTruncated          too much of it is missing or damaged
    │   └── ClipTooLarge           over a limit: bytes, pixels, frames, seconds
    ├── OptionError                a request option is unknown or out of range
    │   ├── NotAcceptable          no form of the answer is one that the client accepts
    │   └── UrlRefused             a URL that the operator does not allow
    ├── DecodeTimeout              decoding took longer than allowed
    ├── DecodeFailed               the decoding process died
    ├── EngineError                an engine failed
    │   ├── EngineUnavailable      not loaded, or unreachable
    │   └── EngineMismatch         the files of an engine do not match the contract or each other
    ├── DeadlineExceeded           the request timed out
    ├── RequestError               the request cannot be read
    │   ├── RequestMalformed       it is not HTTP
    │   ├── HeadersTooLarge        its headers are too long or too many
    │   └── TooSlow                it stops, or comes too slowly
    ├── Overloaded                 no place is free
    │   ├── TooManyConnections     of this client, or in all
    │   └── TooManyJobs            of this key
    ├── RateExceeded               a key sends more than its rate or quota
    ├── StorageFull                the disk for uploads is full
    ├── KeyRefused                 no key, or an invalid one
    ├── JobError                   a job cannot be had or done
    │   ├── JobNotFound            there is none with this number, for this key
    │   ├── JobUnfinished          it has no result yet
    │   ├── JobGivenUp             it was begun too often without getting on
    │   ├── JobsUnavailable        the store of jobs does not answer
    │   ├── IdempotencyKeyReused   the key belongs to another request
    │   └── InputUnreachable       the clip could not be fetched from its URL
    │       └── InputRefused       its host says that there is none
    ├── StudioError                the studio cannot do what is asked
    │   ├── StudioNotFound         no such project, clip, layer, track or frame
    │   ├── StudioForbidden        this key annotates nothing, or not this
    │   ├── StudioFull             over a limit on projects, clips, tracks or disk
    │   ├── ClipNotReady           the clip is being prepared, or could not be
    │   ├── LayerExists            the annotator has begun a layer already
    │   ├── RevisionConflict       the layer has changed since
    │   ├── BodyTooLarge           a request that is no film has too many bytes
    │   ├── EditInvalid            an edit does not fit the layer or the clip
    │   ├── ImportInvalid          a file to be imported cannot be read
    │   ├── ToolTimeout            a tool took longer than allowed
    │   └── ToolFailed             a tool died
    ├── AnswerIncomplete           an answer that was kept ends early
    ├── ConfigError                a setting, experiment or checkpoint file is invalid
    └── ParityError                an exported graph does not compute what the model computes

HTTP status codes are defined only in `service/http/problems.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


class SsuError(Exception):
    """Base of all exceptions raised on purpose: a message for people, a code for programs."""

    code = "internal"
    retry_after: float | None = None
    """Seconds after which a retry may help; None if it will not."""

    def __init__(
        self, message: str, *, limit: float | str | None = None, actual: float | str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.limit = limit
        self.actual = actual


class ClipError(SsuError):
    """The clip that was sent is invalid."""

    code = "clip_invalid"


class ClipEmpty(ClipError):
    """The request contains no bytes."""

    code = "clip_empty"


class ClipUnreadable(ClipError):
    """FFmpeg cannot open the bytes, or cannot decode any frame."""

    code = "clip_unreadable"


class ClipUnsupported(ClipError):
    """The container or the codec is not on the allow-list."""

    code = "clip_unsupported"


class ClipEncrypted(ClipUnsupported):
    """The clip is encrypted; no key can be sent."""

    code = "clip_encrypted"


class ClipHasNoVideo(ClipError):
    """The clip has no video stream."""

    code = "clip_has_no_video"


class ClipTruncated(ClipError):
    """Too large a share of the clip is missing or damaged."""

    code = "clip_truncated"


class ClipTooLarge(ClipError):
    """The clip exceeds a limit on bytes, pixels, frames or seconds."""

    code = "clip_too_large"


class OptionError(SsuError):
    """A request option is unknown or out of range."""

    code = "option_invalid"


class NotAcceptable(OptionError):
    """The answer is written in no form that the client accepts."""

    code = "not_acceptable"


class UrlRefused(OptionError):
    """A URL is not one that the operator allows, or leads to an address that is not."""

    code = "url_refused"


class DecodeTimeout(SsuError):
    """Decoding took longer than allowed and was stopped."""

    code = "decode_timeout"


class DecodeFailed(SsuError):
    """The decoding process died; it has been replaced."""

    code = "decode_failed"


class EngineError(SsuError):
    """An engine failed."""

    code = "engine_failed"


class EngineUnavailable(EngineError):
    """The engine is not loaded or unreachable; trying again later may help."""

    code = "engine_unavailable"


class EngineMismatch(EngineError):
    """An engine's files do not match the contract, or do not match each other."""

    code = "engine_mismatch"


class DeadlineExceeded(SsuError):
    """The request timed out; the message names the stage it had reached."""

    code = "deadline_exceeded"


class RequestError(SsuError):
    """The request cannot be read."""

    code = "request_invalid"


class RequestMalformed(RequestError):
    """What was sent is not HTTP."""

    code = "request_malformed"


class HeadersTooLarge(RequestError):
    """The headers of a request are too long or too many."""

    code = "headers_too_large"


class TooSlow(RequestError):
    """A request has stopped, or comes more slowly than the least rate."""

    code = "request_too_slow"


class Overloaded(SsuError):
    """No place is free; the response says when to retry."""

    code = "overloaded"


class TooManyConnections(Overloaded):
    """There are too many connections, of this client or in all."""

    code = "too_many_connections"
    retry_after = 1.0


class TooManyJobs(Overloaded):
    """A key has too many jobs that are not done yet."""

    code = "too_many_jobs"
    retry_after = 60.0


class RateExceeded(SsuError):
    """A key has sent more than its rate or its quota; the response says when to retry."""

    code = "rate_exceeded"


class StorageFull(SsuError):
    """The disk that holds uploads is full; trying again later may help."""

    code = "storage_full"


class KeyRefused(SsuError):
    """The request has no key, or an invalid one."""

    code = "key_refused"


class JobError(SsuError):
    """A job cannot be had or done."""

    code = "job_error"


class JobNotFound(JobError):
    """There is no job with this number, or it belongs to another key."""

    code = "job_not_found"


class JobUnfinished(JobError):
    """The job has no result yet."""

    code = "job_unfinished"


class JobGivenUp(JobError):
    """The job was begun too often without getting on."""

    code = "job_given_up"


class JobsUnavailable(JobError):
    """The store of jobs does not answer; trying again later may help."""

    code = "jobs_unavailable"


class IdempotencyKeyReused(JobError):
    """The idempotency key belongs to a job of another request."""

    code = "idempotency_key_reused"


class InputUnreachable(JobError):
    """The clip could not be fetched from its URL."""

    code = "input_unreachable"


class InputRefused(InputUnreachable):
    """The host of the clip says that there is none; asking again does not help."""

    code = "input_refused"


class StudioError(SsuError):
    """The studio cannot do what is asked."""

    code = "studio_error"


class StudioNotFound(StudioError):
    """There is no such project, clip, layer, track or frame."""

    code = "studio_not_found"


class StudioForbidden(StudioError):
    """The name of this key is one that the studio uses itself: it annotates nothing."""

    code = "studio_forbidden"


class StudioFull(StudioError):
    """There are as many projects, clips or tracks as allowed, or too much on disk."""

    code = "studio_full"


class ClipNotReady(StudioError):
    """The clip is still being prepared, or could not be."""

    code = "clip_not_ready"


class LayerExists(StudioError):
    """The annotator has a layer of this clip already."""

    code = "layer_exists"


class RevisionConflict(StudioError):
    """The layer has changed since; `actual` is its revision now."""

    code = "revision_conflict"


class BodyTooLarge(StudioError):
    """The body of a request that brings no film has more bytes or values than allowed."""

    code = "body_too_large"


class EditInvalid(StudioError):
    """An edit does not fit the layer or the clip; nothing of its request is saved."""

    code = "edit_invalid"


class ImportInvalid(StudioError):
    """A file to be imported cannot be read; the message names the file and the place in it."""

    code = "import_invalid"


class ToolTimeout(StudioError):
    """A tool of the studio took longer than allowed and was stopped."""

    code = "tool_timeout"


class ToolFailed(StudioError):
    """A tool of the studio died; it has been replaced."""

    code = "tool_failed"


class AnswerIncomplete(SsuError):
    """An answer that was kept in records ends early, or in an error."""

    code = "answer_incomplete"


class ConfigError(SsuError):
    """A setting, an experiment file or a checkpoint is invalid."""

    code = "config_invalid"


class ParityError(SsuError):
    """An exported graph does not compute what the model computes."""

    code = "parity_failed"


def wrong_fields(error: ValidationError) -> str:
    """Return pydantic's errors in one line: each field, its value, and the reason.

    A missing field has no value; an error of the input as a whole has only a reason.
    """
    return "; ".join(map(_wrong_field, error.errors()))


def reason_of(message: str) -> str:
    """Return pydantic's message without the name that it gives to errors of own validators."""
    return message.removeprefix("Value error, ")


def _wrong_field(item: ErrorDetails) -> str:
    field = ".".join(map(str, item["loc"]))
    if not field:
        return reason_of(item["msg"])
    value = "" if item["type"] == "missing" else f" is {item['input']!r}"
    return f"{field}{value}: {reason_of(item['msg'])}"
