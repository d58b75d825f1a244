"""The frames of an answer on disk, read when they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import overload

from service.jobs.files import JobFiles
from service.jobs.records import StoredPart
from service.understanding.schemas import Frame

FRAMES = ".frames"
"""Suffix of the files: a line of JSON for each frame."""


def written(frames: Iterable[Frame]) -> bytes:
    """Return frames as they are stored."""
    return b"".join(frame.model_dump_json().encode() + b"\n" for frame in frames)


class StoredFrames(Sequence[Frame]):
    """All frames of a job's parts; one is in memory at a time."""

    def __init__(self, files: JobFiles, job: str, parts: Sequence[StoredPart]) -> None:
        self._files = files
        self._job = job
        self._parts = parts

    def __len__(self) -> int:
        """Return how many there are."""
        return sum(part.frames for part in self._parts)

    def __iter__(self) -> Iterator[Frame]:
        """Read all frames in order."""
        for part in self._parts:
            with self._files.opened(self._job, part.name + FRAMES) as file:
                yield from map(Frame.model_validate_json, file)

    @overload
    def __getitem__(self, index: int) -> Frame: ...
    @overload
    def __getitem__(self, index: slice) -> list[Frame]: ...
    def __getitem__(self, index: int | slice) -> Frame | list[Frame]:
        """Read some of the frames; the later they are, the longer it takes."""
        numbers = range(len(self))[index]
        if isinstance(numbers, range):
            return [frame for number, frame in enumerate(self) if number in numbers]
        return next(islice(self, numbers, None))
