"""The files of jobs: by job and name, shared by all gateways that share the store.

They are in a folder, or in a bucket of an object store; both keep the same promises.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Protocol

from ssuformer.errors import ConfigError

CLIP = "clip"
PIECE = 2**20
STUDIO = "studio"
"""Among the folders of jobs the one that holds the studio's: no job has this number."""

SCHEMES = ("s3", "gs", "az")
"""Of the URLs of buckets; anything else is the path of a folder."""


class FilesGone(Exception):
    """The files of a job have been removed: its owner has deleted it."""


class JobFiles(Protocol):
    """Files by job and name. A file is there as a whole, or not at all.

    All methods may block. Reading raises FilesGone if there is no such file; writing does if the
    job has been deleted, and StorageFull if there is no room. JobsUnavailable is raised if the
    store does not answer.
    """

    def start(self) -> None:
        """Make what holds all files, if that is to be made."""

    def add(self, job: str) -> None:
        """Make room for the files of a new job."""

    def holds(self, job: str, name: str) -> bool:
        """Return whether there is such a file."""

    def opened(self, job: str, name: str) -> AbstractContextManager[IO[bytes]]:
        """Return a file of this machine, with a descriptor, that is open for reading."""

    def writing(self, job: str, name: str) -> AbstractContextManager[IO[bytes]]:
        """Return a file that will have this name once the block is left without an error."""

    def remove(self, job: str, name: str) -> None:
        """Remove a file, if it is there."""

    def remove_all(self, job: str) -> None:
        """Remove all files of a job."""

    def older_than(self, seconds: float) -> list[str]:
        """Return the jobs whose files were made or changed longer ago."""


def read(files: JobFiles, job: str, name: str) -> bytes:
    """Return the content of a file."""
    with files.opened(job, name) as file:
        return file.read()


def write(files: JobFiles, job: str, name: str, content: bytes) -> int:
    """Write a file, and return its size."""
    with files.writing(job, name) as file:
        file.write(content)
    return len(content)


def copy_in(files: JobFiles, job: str, name: str, source: int) -> None:
    """Write a file with the content of one that is open."""
    with files.writing(job, name) as file:
        at = 0
        while piece := os.pread(source, PIECE, at):
            file.write(piece)
            at += len(piece)


def files_at(place: str | Path) -> JobFiles:
    """Return the files in a folder, or in the bucket of a URL; ConfigError if that cannot be."""
    scheme, found, _ = str(place).partition("://")
    if not found:
        from service.jobs.folder import JobFolder

        return JobFolder(Path(place))
    if scheme not in SCHEMES:
        known = ", ".join(f"{one}://" for one in SCHEMES)
        raise ConfigError(f"SSU_JOBS_FOLDER: {scheme}:// is none of {known}, nor a path")
    try:
        from service.jobs.bucket import JobBucket
    except ImportError as error:
        raise ConfigError(
            f"SSU_JOBS_FOLDER is a bucket, but {error.name} is missing; install the extra `buckets`"
        ) from error
    return JobBucket(str(place))
