"""Gateways with jobs, clips that are cut into several parts, and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

import httpx
import pytest

from service.cli.temporary_service import free_port
from service.engines.engine import Engine
from service.engines.fake import FakeEngine
from service.settings import Settings
from ssuformer.regions import Segmentation
from tests.service.conftest import Running, run, small_settings
from tests.ssuformer.footage import Footage

PATIENCE = 60.0
PART_SECONDS = 8.0


def job_settings(folder: Path, **more: object) -> Settings:
    values: dict[str, object] = {
        "jobs": f"sqlite:///{folder}/jobs.sqlite",
        "job_part_seconds": PART_SECONDS,
        "probe_seconds": 3600,
        **more,
    }
    return small_settings(**values)


@asynccontextmanager
async def jobs_of(
    folder: Path, engine: Engine | None = None, **more: object
) -> AsyncIterator[Running]:
    async with run(job_settings(folder, **more), engine) as started:
        if isinstance(engine, StopsAt):
            engine.windows = 0
        yield started


@pytest.fixture
async def working(tmp_path: Path) -> AsyncIterator[Running]:
    """A gateway whose jobs are in SQLite."""
    async with jobs_of(tmp_path) as started:
        yield started


@pytest.fixture(scope="session")
def long_clip() -> bytes:
    """Half a minute, four parts: a tone from second 3 to 21, a light now and then."""

    def blink(_: int, moment: float) -> int:
        return 235 if int(moment) % 7 < 3 else 20

    return Footage(seconds=30.4, paint=blink, beep=(3.0, 21.0)).make()


class StopsAt(FakeEngine):
    """An engine that waits before its window of a number, until it may go on."""

    def __init__(self, window: int) -> None:
        super().__init__()
        self.windows: int | None = None
        """None while the gateway starts, which has the engine tried."""
        self.reached = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self._window = window

    async def stops(self) -> None:
        """Wait until it waits."""
        async with asyncio.timeout(PATIENCE):
            await self.reached.wait()

    async def segment(self, *args: Any, **more: Any) -> Segmentation:  # noqa: ANN401
        if self.windows == self._window:
            self.reached.set()
            await self.may_go_on.wait()
        if self.windows is not None:
            self.windows += 1
        return await super().segment(*args, **more)


async def send(running: Running, clip: bytes, key: str | None = None, **options: object) -> Any:  # noqa: ANN401
    headers = {} if key is None else {"Idempotency-Key": key}
    response = await running.client.post(
        "/jobs",
        content=clip,
        headers=headers,
        params={name: str(value).lower() for name, value in options.items()},
    )
    assert response.status_code == 202, response.text
    return response.json()


async def look(running: Running, job: str) -> Any:  # noqa: ANN401
    response = await running.client.get(f"/jobs/{job}")
    assert response.status_code == 200, response.text
    return response.json()


async def ended(running: Running, job: str) -> Any:  # noqa: ANN401
    """Return a job once it has ended."""
    found: Any = {}

    async def over() -> bool:
        found.update(await look(running, job))
        return found["state"] in ("done", "failed")

    await until(over)
    return found


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not await holds():
        if time.monotonic() > end:
            raise AssertionError("it has not come to that")
        await asyncio.sleep(0.05)


BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Start Debian's PostgreSQL on a socket in a folder, and yield the URL of its database."""
    data, programs, user = folder / "data", BINARIES[0], "postgres"
    as_user = []
    if os.geteuid() == 0:  # it refuses to run as root
        shutil.chown(folder, user)
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]

    def call(program: str, *words: str) -> None:
        done = subprocess.run(
            [*as_user, str(programs / program), *words],
            capture_output=True, text=True, cwd="/", check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    if not data.exists():
        call("initdb", "-D", str(data), "-A", "trust", "-U", user, "-N")
    options = f"-c listen_addresses='' -k {folder} -c fsync=off"
    control = ("-D", str(data), "-w", "-l", str(folder / "log"))
    call("pg_ctl", "start", *control, "-o", options)
    try:
        yield f"postgresql://{user}@/postgres?host={folder}"
    finally:
        call("pg_ctl", "stop", *control, "-m", "immediate")


@pytest.fixture(scope="session")
def postgres_folder() -> Iterator[Path]:
    """A folder for a database; pytest's own are for the user who tests alone."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres(postgres_folder: Path) -> Iterator[str]:
    """The URL of a database that runs."""
    folder = postgres_folder / "shared"
    folder.mkdir()
    with postgresql(folder) as url:
        yield url


@pytest.fixture
def database(postgres: str) -> str:
    """The URL of a database without tables."""
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty store, of both kinds."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/jobs.sqlite"
    url: str = request.getfixturevalue("database")
    return url


PYTHON = sys.executable
S3 = {
    "AWS_ACCESS_KEY_ID": "tests",
    "AWS_SECRET_ACCESS_KEY": "tests",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}


def _moto(port: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    words = [PYTHON, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    return subprocess.Popen(words, stdout=log, stderr=log)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server that speaks S3."""
    for name in ("moto", "obstore"):
        pytest.importorskip(name, reason=f"{name} is not installed: extras `buckets` and `dev`")
    port, path = free_port(), tmp_path_factory.mktemp("s3") / "log"
    with path.open("wb") as log, _moto(port, log) as server:
        try:
            url, end = f"http://127.0.0.1:{port}", time.monotonic() + PATIENCE
            while True:
                try:
                    httpx.get(url, trust_env=False)
                    break
                except httpx.TransportError:
                    assert server.poll() is None, path.read_text()
                    assert time.monotonic() < end, path.read_text()
                    time.sleep(0.1)
            yield url
        finally:
            server.kill()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket, which the environment gives access to."""
    for name, value in {**S3, "AWS_ENDPOINT_URL": s3}.items():
        monkeypatch.setenv(name, value)
    name = f"jobs-{uuid4().hex}"
    httpx.put(f"{s3}/{name}", trust_env=False).raise_for_status()
    return f"s3://{name}/here"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where files of jobs may be, of both kinds."""
    if request.param == "folder":
        return str(tmp_path / "files")
    url: str = request.getfixturevalue("bucket")
    return url
