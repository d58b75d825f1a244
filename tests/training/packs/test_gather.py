"""Listed photographs are found in archives of every kind, checked, shrunk and stored."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from PIL import Image

from ssuformer.errors import ConfigError
from training.packs.gather import (
    LIST,
    Picture,
    gather,
    of_packages,
    read_list,
    shrink,
    source_address,
)

Files = Mapping[str, bytes]


def photo(colour: str = "red", *, mode: str = "RGB", form: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (1024, 256), colour).save(out, form)
    return out.getvalue()


def listed(package: str, path: str, data: bytes) -> Picture:
    place = f"person/{path.replace('/', '+')}.jpg"
    return Picture(place, package, path, hashlib.sha256(data).hexdigest())


def tgz(folder: Path, files: Files) -> Path:
    with tarfile.open(folder / "a.tgz", "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return folder / "a.tgz"


def whl(folder: Path, files: Files) -> Path:
    with zipfile.ZipFile(folder / "a.whl", "w") as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return folder / "a.whl"


def deb(folder: Path, files: Files) -> Path:
    root = folder / "root"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN/control").write_text(
        "Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: a\n"
    )
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    packed = folder / "a.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", root, packed], check=True, capture_output=True)
    return packed


class FakePackages:
    """Downloads packages that hold given files; any other fails."""

    def __init__(self, **packages: Files) -> None:
        self.asked: list[str] = []
        self._packages = packages

    def __call__(self, package: str, folder: Path) -> Path:
        """Write the archive of a package."""
        self.asked.append(package)
        if package not in self._packages:
            raise ConfigError("no such package")
        return tgz(folder, self._packages[package])


@pytest.mark.parametrize(("pack", "prefix"), [(tgz, ""), (whl, ""), (deb, "./")])
def test_a_picture_is_found_in_every_kind_of_archive(
    tmp_path: Path, pack: Callable[[Path, Files], Path], prefix: str
) -> None:
    if pack is deb and not shutil.which("dpkg-deb"):
        pytest.skip("dpkg-deb is not installed")
    picture = listed("a", f"{prefix}img/one.png", photo())
    files = {"img/one.png": photo(), "readme": b""}

    failures = gather(tmp_path, [picture], download=lambda _, folder: pack(folder, files))

    assert not failures
    with Image.open(tmp_path / picture.place) as stored:
        assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (512, 128))


def test_a_picture_is_cut_out_of_a_file_of_resources(tmp_path: Path) -> None:
    data = photo("blue")
    picture = listed("a", f"data/x.rcc@5+{len(data)}.png", data)
    packages = FakePackages(a={"data/x.rcc": b"12345" + data + b"rest"})

    failures = gather(tmp_path, [picture], download=packages)

    assert not failures
    assert (tmp_path / picture.place).exists()


def test_what_fails_is_named_and_the_rest_is_gathered(tmp_path: Path) -> None:
    good = listed("c", "good.png", photo())
    wanted = [
        listed("a", "lost.png", photo()),
        listed("b", "changed.png", photo()),
        listed("b", "absent.png", photo()),
        good,
    ]
    packages = FakePackages(b={"changed.png": photo("green")}, c={"good.png": photo()})

    failures = gather(tmp_path, wanted, download=packages)

    assert failures == [
        "a: no such package",
        "b: changed.png is another picture than listed",
        "b: has no absent.png",
    ]
    assert list(tmp_path.rglob("*.*")) == [tmp_path / good.place]


def test_a_broken_archive_is_a_failure_of_its_package(tmp_path: Path) -> None:
    def broken(_: str, folder: Path) -> Path:
        (folder / "a.tgz").write_bytes(b"not an archive")
        return folder / "a.tgz"

    failures = gather(tmp_path, [listed("a", "one.png", photo())], download=broken)

    assert [line.partition(":")[0] for line in failures] == ["a"]


def test_only_what_is_missing_is_fetched_again(tmp_path: Path) -> None:
    wanted = [listed("a", "one.png", photo()), listed("b", "two.png", photo())]
    counted: list[int] = []
    gather(tmp_path, wanted, download=FakePackages(a={"one.png": photo()}))
    packages = FakePackages(b={"two.png": photo()})

    failures = gather(
        tmp_path, wanted, download=packages, progress=lambda _, count: counted.append(count)
    )

    assert not failures
    assert packages.asked == ["b"]
    assert sum(counted) == len(wanted)


def test_what_is_transparent_becomes_white() -> None:
    assert shrink(photo("#ff000000", mode="RGBA")).getpixel((0, 0)) == (255, 255, 255)


def test_pictures_of_one_name_are_numbered(tmp_path: Path) -> None:
    line = "cat\tnpm:@a/b@1\t{folder}/it (1).png\t0"
    lines = ["class\tpackage\tpath\tsha256", line.format(folder="x"), line.format(folder="y")]
    (tmp_path / "list.tsv").write_text("\n".join(lines))

    places = [picture.place for picture in read_list(tmp_path / "list.tsv")]

    assert places == ["cat/@a+b--it_1_.jpg", "cat/@a+b--it_1_-2.jpg"]


def test_packages_are_chosen_with_or_without_version() -> None:
    one, two = listed("npm:@a/b@1", "x", b""), listed("sdist:b@2", "x", b"")

    assert of_packages([one, two], []) == (one, two)
    assert of_packages([one, two], ["@a/b"]) == (one,)
    assert of_packages([one, two], ["sdist:b@2"]) == (two,)
    with pytest.raises(ConfigError, match="list of photographs: c"):
        of_packages([one, two], ["b", "c"])


def test_the_source_archive_is_found_in_the_log_of_pip() -> None:
    log = "".join(
        f"  Found link https://files.example.org/1/a-{name} (from x), version: {version}\n"
        for name, version in (
            ("1.0.1.tar.gz", "1.0.1"), ("1.0-py3-none-any.whl", "1.0"),
            ("1.0.zip#sha256=0a", "1.0"), ("1.0.2.tar.gz", "1.0.2"),
        )
    )  # fmt: skip

    assert source_address(log, "1.0") == "https://files.example.org/1/a-1.0.zip"
    with pytest.raises(ConfigError, match="version 2"):
        source_address(log, "2")


def test_every_picture_of_the_list_has_a_digest_a_place_of_its_own_and_a_licence() -> None:
    pictures = read_list()
    lines = LIST.with_name("photograph-licences.tsv").read_text().splitlines()[1:]
    licensed = {line.split()[0] for line in lines}

    packages = {picture.package.rpartition("@")[0] for picture in pictures}

    assert len({picture.place for picture in pictures}) == len(pictures)
    assert {len(picture.sha256) for picture in pictures} == {64}
    assert packages == licensed
