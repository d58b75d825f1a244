"""Sound source understanding for Python: which objects make sound in a clip, where, in words.

    ssu.understand("a.mp4")                  the models in this process
    ssu.Client("http://...").understand(...)     those of a service; `AsyncClient` likewise

What this package imports is light; the models in this process need `pip install 'ssuformer[cpu]'`.
"""

from ssu.answers import Answer, Frame, Heard, Job, Region, Track
from ssu.async_client import AsyncClient
from ssu.calls import Retry
from ssu.client import Client
from ssu.errors import AnswerUnknown, ServiceError, ServiceSilent, ServiceUnreachable
from ssu.local import Local, stream, understand
from ssu.streams import AnswerStream, AsyncAnswerStream
from ssuformer.errors import SsuError

__all__ = [
    "Answer", "AnswerStream", "AnswerUnknown", "AsyncAnswerStream", "AsyncClient", "Client",
    "Frame", "Heard", "Job", "Local", "Region", "Retry", "ServiceError", "ServiceSilent",
    "ServiceUnreachable", "SsuError", "Track", "stream", "understand",
]  # fmt: skip
