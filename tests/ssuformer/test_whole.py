"""A process that is killed anywhere while it writes leaves the old or the new, and never a half."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ssuformer.whole import settle, whole_file, whole_folder
from tests.forked import exit_code

EVENTS = {"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree"}


def killed_at(moment: int, work: Callable[[], None]) -> bool:
    """Do the work in a child that is killed before its file operation `moment`; tell if it was."""
    seen = 0

    def count(event: str, _arguments: object) -> None:
        nonlocal seen
        if event in EVENTS:
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    def counted() -> None:
        sys.addaudithook(count)
        work()

    code = exit_code(counted)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def write_folder(folder: Path, text: str) -> None:
    with whole_folder(folder) as part:
        (part / "one").write_text(text)
        (part / "two").write_text(text)


def write_file(path: Path, text: str) -> None:
    with whole_file(path) as part:
        part.write_text(text)


def test_a_folder_is_the_old_or_the_new_one_wherever_its_writer_is_killed(tmp_path: Path) -> None:
    folder, found = tmp_path / "a", []
    write_folder(folder, "old")

    moment = 0
    while killed_at(moment, lambda: write_folder(folder, "new")):
        settle(folder)
        texts = {path.name: path.read_text() for path in folder.iterdir()}
        assert texts in ({"one": "old", "two": "old"}, {"one": "new", "two": "new"})
        found.append(texts["one"])
        write_folder(folder, "old")
        moment += 1

    assert moment > 5
    assert {*found} == {"old", "new"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_is_the_old_or_the_new_one_wherever_its_writer_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "a"
    write_file(file, "old")

    moment = 0
    while killed_at(moment, lambda: write_file(file, "new")):
        assert file.read_text() in ("old", "new")
        write_file(file, "old")
        moment += 1

    assert moment > 2
    assert file.read_text() == "new"


@pytest.fixture
def full_disk() -> Callable[[], None]:
    """Return what lets a process write no file of more than 1,000 bytes any more."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))

    return limit


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_what_cannot_be_written_leaves_the_old_and_no_remains(
    tmp_path: Path, write: Callable[[Path, str], None], full_disk: Callable[[], None]
) -> None:
    write(tmp_path / "a", "old")

    def written_in_full() -> int:
        full_disk()
        try:
            write(tmp_path / "a", "x" * 2000)
        except OSError as error:
            return error.errno or 1
        return 0

    assert exit_code(written_in_full) == errno.EFBIG
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    left = [tmp_path / "a"] if write is write_file else [*(tmp_path / "a").iterdir()]
    assert {path.read_text() for path in left} == {"old"}
