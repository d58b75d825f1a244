"""What damaged clips are sent to: the whole service over HTTP, or its decoding pool alone."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import httpx

from service.cli.temporary_service import free_port
from service.http.problems import STATUS
from service.settings import Settings
from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.understanding.decoding import DecodePool
from ssuformer.clip import Sampling
from ssuformer.errors import EngineUnavailable, SsuError

CHUNK_FRAMES = 10
FRAME_SECONDS = 0.04
"""What a frame costs the engines, where they are not asked: `small` on one thread."""
_TIMEOUT = 180.0
_FAILED_PROCESS = "decoding_process_failed"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of a request."""

    fps: float = 1.0
    start: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one clip; `content` is the same for the same answer."""

    status: int
    code: str
    content: str
    seconds: float
    engine_seconds: float
    """Of segmentation and captions; guessed from the frames where no engine computes."""
    deaths: tuple[str, ...] = ()
    """Why decoding processes died: a signal, a refused system call, an exception."""


class Target(Protocol):
    """Something that answers clips."""

    def ask(self, clip: bytes, asked: Asked) -> Outcome:
        """Return what comes of a clip; raise ConnectionError if the service is gone."""


class Service:
    """A service process of its own, asked over HTTP, one clip after the other."""

    def __init__(self, engine: str, log: Path) -> None:
        self._engine = engine
        self._log = log
        self._read = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(timeout=_TIMEOUT, trust_env=False)

    def start(self) -> None:
        """Start the service and wait until it is ready; raise EngineUnavailable if it ends."""
        port = free_port()
        command = [sys.executable, "-m", "service.cli", "serve", "--engine", self._engine]
        command += ["--port", str(port), "--metrics-port", "0", "--workers", "1"]
        with self._log.open("ab") as log:
            self._read = log.tell()
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._process = process
        self._client.base_url = httpx.URL(f"http://127.0.0.1:{port}")
        for _ in range(1200):
            if process.poll() is not None:
                break
            try:
                if self._client.get("/readyz").status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise EngineUnavailable(f"the service did not start; see {self._log}")

    def stop(self) -> None:
        """Stop the service and wait for its end."""
        self._client.close()
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def ask(self, clip: bytes, asked: Asked) -> Outcome:
        """Post a clip, to a fresh process if the one before has ended."""
        if self._process is None:
            self.start()
        began = time.perf_counter()
        kind = {"Content-Type": "video/mp4"}
        try:
            answer = self._client.post(
                "/understand", content=clip, params=_query(asked), headers=kind
            )
        except httpx.TransportError as error:
            status = self._process and self._process.poll()
            self._end()
            raise ConnectionError(f"{error!r}; exit status {status}") from error
        seconds = time.perf_counter() - began
        return _outcome(answer, seconds, tuple(self._deaths()))

    def _deaths(self) -> Iterator[str]:
        with self._log.open("rb") as log:
            log.seek(self._read)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._read += len(line)
                yield from _deaths_in(line)


def _query(asked: Asked) -> dict[str, str]:
    return {name: f"{value:g}" for name, value in asdict(asked).items()}


def _outcome(answer: httpx.Response, seconds: float, deaths: tuple[str, ...]) -> Outcome:
    body: dict[str, Any] = answer.json()
    timings = body.pop("timings_ms", {})
    engines = (timings.get("segmentation", 0.0) + timings.get("caption", 0.0)) / 1e3
    if body.get("model", {}).get("name") == "fake":
        engines = FRAME_SECONDS * len(body["frames"])
    code = str(body.get("code", "answered"))
    content = hashlib.sha256(json.dumps(body).encode()).hexdigest()
    return Outcome(answer.status_code, code, content, seconds, engines, deaths)


def _deaths_in(line: bytes) -> Iterator[str]:
    try:
        said = json.loads(line)
    except ValueError:
        return
    if isinstance(said, dict) and said.get("event") == _FAILED_PROCESS:
        yield ":".join(filter(None, (said["reason"], said["cause"], said["system_call"])))


class Pool:
    """The decoding pool alone, in this process: no HTTP, no engines."""

    def __init__(self) -> None:
        self._written = io.StringIO()
        settings = Settings.model_validate({"engine": "fake", "workers": 2})
        self._pool = DecodePool(settings, Metrics(), make_log("error", self._written))
        self._runner = asyncio.Runner()

    def start(self) -> None:
        """Start the template and its first processes."""
        self._runner.run(self._pool.start(chunk_frames=CHUNK_FRAMES))

    def stop(self) -> None:
        """End all processes."""
        self._runner.run(self._pool.close())
        self._runner.close()

    def ask(self, clip: bytes, asked: Asked) -> Outcome:
        """Decode a clip in a process of its own."""
        began = time.perf_counter()
        status, code, content, frames = self._runner.run(self._decode(clip, asked))
        seconds = time.perf_counter() - began
        said = self._written.getvalue().encode().splitlines()
        self._written.seek(0)
        self._written.truncate()
        deaths = tuple(death for line in said for death in _deaths_in(line))
        return Outcome(status, code, content, seconds, FRAME_SECONDS * frames, deaths)

    async def _decode(self, clip: bytes, asked: Asked) -> tuple[int, str, str, int]:
        digest, frames = hashlib.sha256(), 0
        with tempfile.TemporaryFile() as file:
            file.write(clip)
            file.flush()
            try:
                async with self._pool.decode(file.fileno(), Sampling(**asdict(asked))) as decoding:
                    async for chunk in decoding.chunks():
                        frames += len(chunk.times)
                        for part in (chunk.frames, chunk.waveform, chunk.times):
                            digest.update(part.tobytes())
                    said = (decoding.info, decoding.duration, decoding.warnings)
                digest.update(repr(said).encode())
            except SsuError as error:
                return STATUS[_known(type(error))], error.code, error.message, frames
        return 200, "answered", digest.hexdigest(), frames


def _known(kind: type[SsuError]) -> type[SsuError]:
    return next(one for one in kind.__mro__ if one in STATUS)


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Target]:
    """Start a target, `pool` or an engine of the whole service, and stop it at the end."""
    target = Pool() if name == "pool" else Service(name, folder / "service.log")
    try:
        target.start()
        yield target
    finally:
        target.stop()
