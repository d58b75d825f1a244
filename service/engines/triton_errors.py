"""Translate errors of a Triton server into those of `ssuformer.errors`.

The gRPC codes alone are ambiguous: UNAVAILABLE may mean a lost connection, a
full queue, or a model that is not loaded. The texts below are Triton's, as of 2.51.
"""

from __future__ import annotations

from tritonclient.utils import InferenceServerException

from ssuformer.errors import DeadlineExceeded, EngineError, EngineUnavailable, Overloaded, SsuError

QUEUE_FULL = "Exceeds maximum queue size"
QUEUE_TIMEOUT = "Request timeout expired"
REGION_FORGOTTEN = "Unable to find shared memory region"
_DEAD_STUB = "Stub process"
_NOT_LOADED = ("is not at ready state", "has no available versions", "is not found")
_BUSY = (QUEUE_FULL, QUEUE_TIMEOUT)
_QUEUE_RETRY_AFTER = 1.0


def code(error: InferenceServerException) -> str:
    """Return the gRPC code of an error, as in `UNAVAILABLE`; empty if it arose in the client."""
    return str(error.status() or "").removeprefix("StatusCode.")


def ran_out_of_time(error: InferenceServerException) -> bool:
    """Return whether the deadline of the call has passed."""
    return code(error) == "DEADLINE_EXCEEDED"


def may_be_repeated(error: InferenceServerException) -> bool:
    """Return whether nothing was computed, so that a retry is safe and may help.

    The connection broke before an answer came; or the server restarted and lost the shared memory
    registration; or this server has not loaded the model, but another of the same address may have.
    """
    if any(known in _text(error) for known in (REGION_FORGOTTEN, *_NOT_LOADED)):
        return True
    lost = code(error) in ("UNAVAILABLE", "CANCELLED")
    return lost and not any(known in _text(error) for known in _BUSY)


def translated(error: InferenceServerException, model: str) -> SsuError:
    """Return the matching error of this project; the message contains no addresses."""
    text = _text(error)
    if any(known in text for known in _BUSY):
        return _overloaded(f"the inference server is overloaded for {model}; try again later")
    if _DEAD_STUB in text:
        return EngineUnavailable(f"{model} has crashed on the inference server")
    if code(error) == "UNIMPLEMENTED" or any(known in text for known in _NOT_LOADED):
        return EngineUnavailable(f"{model} is not loaded on the inference server")
    if may_be_repeated(error):
        return EngineUnavailable("the inference server is unreachable")
    return EngineError(f"{model} failed: {code(error)} {text}")


def too_late(model: str, seconds: float, *, asked_for: bool) -> SsuError:
    """Return the timeout error: for the client's deadline, or for the server-side maximum."""
    if asked_for:
        return DeadlineExceeded(
            f"{model} did not answer in the {seconds:.3g} s that the request had left",
            limit=seconds,
        )
    return EngineUnavailable(f"{model} did not answer within {seconds:g} s")


def _overloaded(message: str) -> Overloaded:
    error = Overloaded(message)
    error.retry_after = _QUEUE_RETRY_AFTER
    return error


def _text(error: InferenceServerException) -> str:
    return str(error.message() or "")
