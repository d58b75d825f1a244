"""The files of jobs in an object store: S3 and what speaks like it, Google's, or Azure's.

Objects are called after job and name. One named `job` is there as long as the job is: an object
store has no folder whose absence would tell that it has been deleted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from service.http.upload import storing
from service.jobs.files import PIECE, FilesGone
from ssuformer.errors import ConfigError, JobsUnavailable

_ALIVE = "job"
_SECONDS = 10.0
_RETRY_SECONDS = 5.0


class JobBucket:
    """Files below the prefix of a bucket; credentials are those of the environment."""

    def __init__(self, url: str) -> None:
        """Connect to nothing yet; raise ConfigError if the URL is none."""
        try:
            self._store: ObjectStore = from_url(url)
        except (BaseError, ValueError) as error:
            raise ConfigError(f"SSU_JOBS_FOLDER: {error}") from error

    def start(self) -> None:
        """Do nothing: whoever operates the store makes the bucket."""

    def add(self, job: str) -> None:
        """Tell that a job is there."""
        with _answering(job):
            obstore.put(self._store, f"{job}/{_ALIVE}", b"")

    def holds(self, job: str, name: str) -> bool:
        """Return whether there is such a file."""
        try:
            with _answering(job):
                obstore.head(self._store, f"{job}/{name}")
        except FilesGone:
            return False
        return True

    @contextmanager
    def opened(self, job: str, name: str) -> Iterator[IO[bytes]]:
        """Yield a copy of a file on the temporary disk."""
        with TemporaryFile() as file:
            with storing(), _answering(job):
                for piece in obstore.get(self._store, f"{job}/{name}").stream(PIECE):
                    file.write(piece)
                file.seek(0)
            yield file

    @contextmanager
    def writing(self, job: str, name: str) -> Iterator[IO[bytes]]:
        """Yield a file on the temporary disk that is sent once the block is left."""
        with TemporaryFile() as file:
            with storing():
                yield file
                file.seek(0)
            with _answering(job):
                obstore.put(self._store, f"{job}/{name}", file)
        if not self.holds(job, _ALIVE):
            self.remove(job, name)
            raise FilesGone(job)

    def remove(self, job: str, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FilesGone), _answering(job):
            obstore.delete(self._store, f"{job}/{name}")

    def remove_all(self, job: str) -> None:
        """Remove all files of a job, the one that tells that it is there first."""
        self.remove(job, _ALIVE)
        with suppress(FilesGone), _answering(job):
            for some in obstore.list(self._store, prefix=job):
                obstore.delete(self._store, [one["path"] for one in some])

    def older_than(self, seconds: float) -> list[str]:
        """Return the jobs whose files were all written longer ago."""
        latest, newest = time.time() - seconds, dict[str, float]()
        with _answering("all"):
            for some in obstore.list(self._store):
                for one in some:
                    job = one["path"].partition("/")[0]
                    written = one["last_modified"].timestamp()
                    newest[job] = max(newest.get(job, 0.0), written)
        return [job for job, written in newest.items() if written < latest]


@contextmanager
def _answering(job: str) -> Iterator[None]:
    """Raise FilesGone for what is not there, JobsUnavailable if the store does not answer."""
    try:
        yield
    except FileNotFoundError as error:
        raise FilesGone(job) from error
    except BaseError as error:
        gone = JobsUnavailable("the object store of the jobs does not answer; try again later")
        gone.retry_after = _RETRY_SECONDS
        raise gone from error
