"""Archives that a project comes in as: the documents in them, within limits."""

from __future__ import annotations

import posixpath
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import orjson

from service.formats.clip_names import ClipName
from ssuformer.errors import ImportInvalid

_MOST_MEMBERS = 50_000
MOST_DOCUMENT = 64 * 2**20
"""Bytes of one document, unpacked."""
_MOST_IN_ALL = 2**30
_MOST_VALUES = 4_000_000
"""Of one document, by what parts them: parsed, each takes far more memory than its bytes."""
_MOST_DIRECTORY = 16 * 2**20
"""Bytes of the list of an archive's files, all of which is read before they are counted."""
_PIECE = 2**20
_TRUTH = ".truth.json"


class Document(NamedTuple):
    """A document about one clip."""

    name: str
    """Of the clip's file, without its suffix."""
    place: str
    """The document's own name, for errors."""
    content: bytes
    pictures: Mapping[str, bytes] = {}
    """PNGs that it may name."""


class Unpacking:
    """Reads members of archives; ImportInvalid once they are too large or too many."""

    def __init__(self) -> None:
        self._left = _MOST_IN_ALL

    def documents(self, file: IO[bytes], form: str, suffix: str, name: str) -> Iterator[Document]:
        """Yield the documents of a format in a file called `name`, an archive or one of them."""
        if not zipfile.is_zipfile(file):
            file.seek(0)
            stem = name.removesuffix(suffix)
            yield Document(ClipName.of(stem + ".x").stem, name, self._read(file, name))
            return
        with self._opened(file, name) as archive:
            if form == "ra-ssu":
                yield from self._truths(archive)
            elif form == "fiftyone":
                yield from self._labels(archive, suffix)
            else:
                for member in archive.infolist():
                    if member.filename.endswith(suffix):
                        yield self._document(archive, member.filename, suffix)

    def _document(self, archive: zipfile.ZipFile, name: str, suffix: str) -> Document:
        stem = posixpath.basename(name).removesuffix(suffix)
        return Document(stem, name, self._member(archive, name))

    def _labels(self, archive: zipfile.ZipFile, suffix: str) -> Iterator[Document]:
        """Yield the labels of a data set of FiftyOne, and of those inside the archive."""
        for member in archive.infolist():
            name = member.filename
            if name.startswith("labels/") and name.endswith(".json"):
                yield self._document(archive, name, ".json")
            elif name.endswith(suffix) and "/" not in name:
                with tempfile.TemporaryFile() as inner:
                    self._copy(archive, name, inner)
                    with self._opened(inner, name) as opened:
                        yield from self._labels(opened, "\0")

    def _truths(self, archive: zipfile.ZipFile) -> Iterator[Document]:
        """Yield the truth files that `clips.jsonl` lists, with their pictures."""
        listed = self._member(archive, "clips.jsonl").splitlines()
        for number, line in enumerate(listed, start=1):
            if not line.strip():
                continue
            name = _truth_in(line, number)
            content = self._member(archive, name)
            folder = posixpath.dirname(name)
            stem = posixpath.basename(name).removesuffix(_TRUTH)
            pictures = self._pictures(archive, folder, content)
            yield Document(_film_in(content) or stem, name, content, pictures)

    def _pictures(self, archive: zipfile.ZipFile, folder: str, content: bytes) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name in _pngs(content):
            place = posixpath.normpath(posixpath.join(folder, name))
            if name not in found:
                found[name] = self._member(archive, place)
        return found

    def _member(self, archive: zipfile.ZipFile, name: str) -> bytes:
        try:
            with archive.open(name) as file:
                return self._read(file, name)
        except KeyError as error:
            raise ImportInvalid(f"{name[:200]}: the archive has no such file") from error
        except _BROKEN as error:
            raise ImportInvalid(f"{name[:200]}: it cannot be unpacked") from error

    def _read(self, file: IO[bytes], name: str) -> bytes:
        most = min(MOST_DOCUMENT, self._left)
        content = file.read(most + 1)
        if len(content) > most:
            raise ImportInvalid(f"{name[:200]}: it has more than {most} bytes", limit=most)
        if sum(map(content.count, _PARTS)) > _MOST_VALUES:
            message = f"{name[:200]}: it has more than {_MOST_VALUES} values"
            raise ImportInvalid(message, limit=_MOST_VALUES)
        self._left -= len(content)
        return content

    def _copy(self, archive: zipfile.ZipFile, name: str, out: IO[bytes]) -> None:
        try:
            with archive.open(name) as file:
                while piece := file.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise ImportInvalid(f"{name[:200]}: the archive is too large unpacked")
                    out.write(piece)
        except _BROKEN as error:
            raise ImportInvalid(f"{name[:200]}: it cannot be unpacked") from error
        out.seek(0)

    @contextmanager
    def _opened(self, file: IO[bytes], name: str) -> Iterator[zipfile.ZipFile]:
        bounded = _Bounded(file)
        try:
            archive = zipfile.ZipFile(bounded)
            bounded.limit = None
        except _BROKEN as error:
            raise ImportInvalid(f"{name[:200]}: it is no zip archive") from error
        with archive:
            if len(archive.infolist()) > _MOST_MEMBERS:
                raise ImportInvalid(f"{name[:200]}: it has more than {_MOST_MEMBERS} files")
            yield archive


class _Bounded:
    """A file of which no more than the limit is read at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self.limit: int | None = _MOST_DIRECTORY
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes; ValueError if that is too many."""
        if self.limit is not None and size > self.limit:
            raise ValueError(size)
        return self._file.read(size)


_PARTS = (b",", b"<", b"=")
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError,
    OSError,
)  # fmt: skip
"""What reading a broken, encrypted or unusual archive raises."""


def _truth_in(line: bytes, number: int) -> str:
    try:
        name = orjson.loads(line)["truth"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ImportInvalid(f"clips.jsonl: line {number}: it names no truth file") from error
    if not isinstance(name, str):
        raise ImportInvalid(f"clips.jsonl: line {number}: it names no truth file")
    return name


def _film_in(content: bytes) -> str | None:
    film = _loaded(content).get("film")
    return ClipName.of(film).stem if isinstance(film, str) else None


def _pngs(content: bytes) -> Iterator[str]:
    """Yield the pictures that a truth file names, as far as it can be read."""
    sources = _loaded(content).get("sources")
    for source in sources if isinstance(sources, list) else ():
        seconds = source.get("seconds") if isinstance(source, dict) else None
        for second in seconds if isinstance(seconds, list) else ():
            mask = second.get("mask") if isinstance(second, dict) else None
            if isinstance(mask, dict) and isinstance(mask.get("png"), str):
                yield mask["png"]


def _loaded(content: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
