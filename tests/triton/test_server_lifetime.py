"""The launcher with a real server: it starts, it stops, and nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.triton_server.launcher import Mode, inference_server
from ssuformer.contract import CAPTION
from ssuformer.errors import EngineUnavailable
from tests.triton.conftest import REPOSITORY

SHARED_MEMORY = Path("/dev/shm")
PATIENCE = 60.0

LONELY_PARENT = """
import json, sys, time
from pathlib import Path
from service.triton_server.launcher import inference_server
with inference_server(Path(sys.argv[1])) as server:
    print(json.dumps([server.process.pid, *server.stubs().values()]), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A repository of the smaller model alone, so that starting is quick."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / CAPTION).symlink_to((REPOSITORY / CAPTION).absolute())
    return folder


def is_running(process: int) -> bool:
    """Return whether a process exists and is more than an entry nobody has asked for yet."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_until_gone(processes: list[int]) -> None:
    end = time.monotonic() + PATIENCE
    while any(map(is_running, processes)):
        assert time.monotonic() < end, f"still there: {[p for p in processes if is_running(p)]}"
        time.sleep(0.05)


def shared_memory_of(process: int) -> set[str]:
    """Return the names of the shared memory that a process has mapped."""
    maps = Path(f"/proc/{process}/maps").read_text()
    return {line.rpartition("/")[2] for line in maps.splitlines() if f"{SHARED_MEMORY}/" in line}


@pytest.mark.parametrize("mode", ["none", "poll", "explicit"])
def test_after_the_end_no_process_no_memory_and_no_file_is_left(models: Path, mode: Mode) -> None:
    with inference_server(models, mode=mode) as server:
        processes = [server.process.pid, *server.stubs().values()]
        memory = shared_memory_of(server.process.pid)
        workplace = server.log.parent
        assert server.ready()

    assert len(processes) == 2
    wait_until_gone(processes)
    assert memory
    assert not memory & set(os.listdir(SHARED_MEMORY))  # noqa: PTH208
    assert not workplace.exists()


def test_a_server_that_was_killed_starts_again_where_it_was(models: Path) -> None:
    with inference_server(models) as server:
        first, addresses = server.process.pid, (server.http, server.grpc, server.metrics)
        memory = shared_memory_of(first)

        server.process.kill()
        server.kill()
        was_ready = server.ready()
        server.start()

        assert not was_ready
        assert server.ready()
        assert server.process.pid != first
        assert (server.http, server.grpc, server.metrics) == addresses
        assert not memory & set(os.listdir(SHARED_MEMORY))  # noqa: PTH208


def test_a_server_ends_with_the_process_that_started_it_however_that_ends(
    models: Path, tmp_path: Path
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", LONELY_PARENT, str(models)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        processes = json.loads(parent.stdout.readline())

        parent.send_signal(signal.SIGKILL)

    wait_until_gone(processes)


def test_a_model_that_does_not_load_is_an_error_with_what_the_server_wrote(tmp_path: Path) -> None:
    broken = tmp_path / CAPTION
    (broken / "1").mkdir(parents=True)
    (broken / "config.pbtxt").write_text((REPOSITORY / CAPTION / "config.pbtxt").read_text())
    (broken / "1" / "model.onnx").write_bytes(b"not a graph")

    with (
        pytest.raises(EngineUnavailable, match=r"(?s)exited at once.*failed to load 'ssu_caption'"),
        inference_server(tmp_path),
    ):
        pass
