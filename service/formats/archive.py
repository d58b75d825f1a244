"""Write zip archives member by member, without holding one in memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import orjson

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip archive can state: the same answer gives the same bytes."""


class Archive:
    """A zip archive that is being written to a file, which need not be seekable."""

    def __init__(self, out: IO[bytes]) -> None:
        self._zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1)

    @contextmanager
    def member(self, name: str, *, packed: bool = True) -> Iterator[IO[bytes]]:
        """Yield a file for the content of a member; `packed` False for what is compressed."""
        info = zipfile.ZipInfo(name, _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        info.external_attr = 0o644 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            yield file

    def write(self, name: str, content: bytes, *, packed: bool = True) -> None:
        """Write a member."""
        with self.member(name, packed=packed) as file:
            file.write(content)

    def write_json(self, name: str, content: Any) -> None:  # noqa: ANN401
        """Write a member that is a JSON document, with a newline at the end."""
        self.write(name, orjson.dumps(content) + b"\n")

    def close(self) -> None:
        """Write the directory of the archive."""
        self._zip.close()


@contextmanager
def archive(out: IO[bytes]) -> Iterator[Archive]:
    """Yield an archive; its directory is written at the end."""
    made = Archive(out)
    try:
        yield made
    finally:
        made.close()
