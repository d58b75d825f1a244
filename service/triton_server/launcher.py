"""A local Triton server without a GPU, for development, tests and benchmarks.

`tritonserver` comes from the package nvidia-pytriton, in an environment made by
`scripts/triton-environment`. Scheduler, protocols, metrics and the parsing of `config.pbtxt`
are NVIDIA's; only the C++ backend that runs the models is replaced by `backend.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import httpx

from ssuformer.errors import ConfigError, EngineUnavailable
from ssuformer.repository import CONFIG, model_names

ENVIRONMENT_VARIABLE = "SSU_TRITON_ENVIRONMENT"
ENVIRONMENT = Path(".venv-triton")
LOOPBACK = "127.0.0.1"
Mode = Literal["none", "poll", "explicit"]
"""Triton's model control: load all once, poll the repository, or also load on request."""

_BACKEND = Path(__file__).with_name("backend.py")
_SHARED_MEMORY = Path("/dev/shm")
_MEND = "scripts/triton-environment"
_START_SECONDS = 120.0
_EXIT_SECONDS = 5
_LOOK_AGAIN = 0.05
_TAIL_LINES = 15

_PROBE = """
import ctypes, json, sysconfig
from importlib.metadata import version
name = f"libpython{sysconfig.get_python_version()}.so.1.0"
folder = sysconfig.get_config_var("LIBDIR")
for library in (f"{folder}/{name}", name, None):
    try:
        ctypes.CDLL(library)
        break
    except OSError:
        continue
print(json.dumps({
    "python": sysconfig.get_python_version(),
    "packages": sysconfig.get_path("purelib"),
    "libraries": folder,
    "libpython": library and name,
    "numpy": version("numpy"),
    "onnxruntime": version("onnxruntime"),
    "pytriton": version("nvidia-pytriton"),
}))
"""


@dataclass(frozen=True, slots=True)
class ServerEnvironment:
    """The installation of NVIDIA's server, with the Python for its backend."""

    folder: Path
    python: str
    packages: Path
    libraries: Path

    @classmethod
    def find(cls, folder: Path | None = None) -> Self:
        """Check a folder, by default that of the variable, else `.venv-triton`.

        Raises ConfigError, with the command that fixes it, if the server could not run.
        """
        folder = (folder or Path(os.environ.get(ENVIRONMENT_VARIABLE, ENVIRONMENT))).absolute()
        try:
            found = subprocess.run(
                [folder / "bin/python", "-I", "-c", _PROBE],
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", "").strip().rpartition("\n")[2] or str(error)
            raise ConfigError(
                f"{folder} contains no Triton server ({reason}); make it with: "
                f"{ENVIRONMENT_VARIABLE}={folder} {_MEND}"
            ) from error
        facts = json.loads(found)
        # With numpy 2 the server's Python backend silently reads zeros for every input.
        if int(facts["numpy"].partition(".")[0]) >= 2:
            raise ConfigError(
                f"numpy in {folder} would corrupt what the server reads; fix it with: "
                f"{folder}/bin/pip install 'numpy<2'",
                limit="<2",
                actual=facts["numpy"],
            )
        if facts["libpython"] is None:
            raise ConfigError(
                f"the Python of {folder} has no shared library, which the server's backend needs; "
                f"on Debian: apt-get install libpython{facts['python']}"
            )
        return cls(
            folder=folder,
            python=facts["python"],
            packages=Path(facts["packages"]),
            libraries=Path(facts["libraries"]),
        )

    @property
    def server(self) -> Path:
        """The folder of NVIDIA's binaries."""
        return self.packages / "pytriton" / "tritonserver"

    def variables(self) -> dict[str, str]:
        """Return the environment variables of the server's process.

        The backend runs the first python on PATH; an inherited PYTHONPATH would add this
        project's packages, including numpy.
        """
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        libraries = [self.packages / "nvidia_pytriton.libs", self.libraries]
        return inherited | {
            "PATH": os.pathsep.join((str(self.folder / "bin"), inherited.get("PATH", os.defpath))),
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            "PYTHONNOUSERSITE": "1",
        }

    def write_backends(self, folder: Path) -> None:
        """Create the backend directory: Triton's Python backend and this `onnxruntime` backend."""
        python, ours = folder / "python", folder / "onnxruntime"
        stubs = self.server / "python_backend_stubs"
        stub = stubs / self.python / "triton_python_backend_stub"
        if not stub.is_file():
            raise ConfigError(
                f"this Triton server has no backend for Python {self.python}; "
                f"it has: {', '.join(sorted(path.name for path in stubs.iterdir()))}"
            )
        # Copies, because Triton rejects a backend whose real path is elsewhere.
        shutil.copytree(self.server / "backends" / "python", python)
        shutil.copy(stub, python)
        ours.mkdir()
        shutil.copy(_BACKEND, ours / "model.py")


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports the server listens on."""

    http: int
    grpc: int
    metrics: int

    @classmethod
    def free(cls, *, http: int = 0, grpc: int = 0, metrics: int = 0) -> Self:
        """Return these ports; each that is 0 is replaced by a free one."""
        with ExitStack() as stack:
            sockets = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(3)]
            found = [listener.getsockname()[1] for listener in sockets]
        return cls(*(asked or one for asked, one in zip((http, grpc, metrics), found, strict=True)))

    def check(self) -> None:
        """Raise EngineUnavailable naming the first port that is in use."""
        for port in (self.http, self.grpc, self.metrics):
            try:
                socket.create_server((LOOPBACK, port)).close()
            except OSError as error:
                raise EngineUnavailable(f"port {port} for the inference server: {error}") from error


@dataclass(frozen=True, slots=True)
class _Stub:
    """The process that runs one instance of a model, and its shared memory."""

    model: str
    process: int
    memory: Path


class InferenceServer:
    """One `tritonserver` process: start, stop, kill, restart on the same ports."""

    def __init__(
        self,
        models: Path,
        workplace: Path,
        *,
        environment: ServerEnvironment,
        ports: Ports,
        mode: Mode = "none",
        log: Path | None = None,
    ) -> None:
        """Prepare a server of the model repository `models`; raise ConfigError if it is invalid."""
        self.names = model_names(models)
        if not self.names:
            raise ConfigError(f"{models} contains no <model>/{CONFIG}; export a model first")
        self.log = log or workplace / "triton.log"
        self._environment = environment
        self._ports = ports
        self._workplace = workplace
        self._process: subprocess.Popen[bytes] | None = None
        self._memory: set[Path] = set()
        backends = workplace / "backends"
        environment.write_backends(backends)
        # setpriv: the server ends when the thread that started it ends, for any reason.
        self._command = [
            *("setpriv", "--pdeathsig", "TERM", "--"),
            str(environment.server / "bin" / "tritonserver"),
            f"--model-repository={models.absolute()}",
            f"--backend-directory={backends}",
            f"--model-control-mode={mode}",
            *(f"--load-model={name}" for name in self.names if mode == "explicit"),
            "--repository-poll-secs=1",
            "--disable-auto-complete-config",
            f"--http-address={LOOPBACK}",
            f"--grpc-address={LOOPBACK}",
            f"--http-port={ports.http}",
            f"--grpc-port={ports.grpc}",
            f"--metrics-port={ports.metrics}",
            "--metrics-config=histogram_latencies=true",
            f"--exit-timeout-secs={_EXIT_SECONDS}",
        ]

    @property
    def grpc(self) -> str:
        """The gRPC address as `host:port`, the form tritonclient expects."""
        return f"{LOOPBACK}:{self._ports.grpc}"

    @property
    def http(self) -> str:
        """The URL of the HTTP API, including health and model control."""
        return f"http://{LOOPBACK}:{self._ports.http}"

    @property
    def metrics(self) -> str:
        """The URL of the Prometheus metrics."""
        return f"http://{LOOPBACK}:{self._ports.metrics}/metrics"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The server's process; raises EngineUnavailable if it is not running."""
        if self._process is None:
            raise EngineUnavailable("the inference server is not running")
        return self._process

    def start(self) -> None:
        """Start it and wait until every model is READY.

        Raises EngineUnavailable with the end of the log if it does not become ready, or at once if
        a port is in use: the other process there could be mistaken for this server.
        """
        self._ports.check()
        with self.log.open("ab") as log:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=self._workplace,
                    env=self._environment.variables(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise EngineUnavailable(f"cannot run {self._command[0]}: {error}") from error
        end = time.monotonic() + _START_SECONDS
        try:
            while not self.ready():
                if self._process.poll() is not None:
                    raise EngineUnavailable(f"the inference server exited at once\n{self._tail()}")
                if time.monotonic() > end:
                    raise EngineUnavailable(
                        f"the inference server is not ready\n{self._tail()}", limit=_START_SECONDS
                    )
                time.sleep(_LOOK_AGAIN)
        except BaseException:
            self.kill()
            raise
        self.stubs()

    def ready(self) -> bool:
        """Return whether the server and all of its models are READY."""
        try:
            # verify=False: avoids loading certificates on each call for plain HTTP.
            with httpx.Client(base_url=self.http, trust_env=False, verify=False) as client:
                if not client.get("/v2/health/ready").is_success:
                    return False
                listed = client.post("/v2/repository/index").json()
        except httpx.HTTPError:
            return False
        return {m["name"] for m in listed if m.get("state") == "READY"}.issuperset(self.names)

    def wait(self) -> None:
        """Wait until the server exits; raise EngineUnavailable, since nothing here stopped it."""
        self.process.wait()
        raise EngineUnavailable(f"the inference server exited unexpectedly\n{self._tail()}")

    def stop(self) -> None:
        """Stop it with a grace period of some seconds, and end all its child processes."""
        if self._process is None:
            return
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2 * _EXIT_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Kill it and all its child processes at once, like a machine failure."""
        if self._process is None:
            return
        self.stubs()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        for memory in self._memory:
            memory.unlink(missing_ok=True)
        self._memory.clear()

    def stubs(self) -> dict[str, int]:
        """Return the process id of each model's Python process."""
        found = list(self._stubs())
        # Shared memory of a killed server remains; only its children know the name.
        self._memory |= {stub.memory for stub in found}
        return {stub.model: stub.process for stub in found}

    def _stubs(self) -> Iterator[_Stub]:
        """Find the server's children: `stub MODEL_FILE MEMORY ... INSTANCE BACKEND`."""
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                words = (folder / "cmdline").read_text().split("\0")
                if int(parent) == self.process.pid and "python_backend_stub" in words[0]:
                    model = Path(words[1]).parents[1].name
                    yield _Stub(model, int(folder.name), _SHARED_MEMORY / words[2])

    def _tail(self) -> str:
        """Return the last lines of the log, without tables."""
        written = self.log.read_text(errors="replace").splitlines()
        lines = [line for line in written if line and line[0] not in "|+ "]
        return "\n".join(lines[-_TAIL_LINES:])


@contextmanager
def inference_server(
    models: Path,
    *,
    environment: Path | None = None,
    ports: Ports | None = None,
    mode: Mode = "none",
    log: Path | None = None,
) -> Iterator[InferenceServer]:
    """Run a server of a model repository, on free ports by default, and stop it at the end.

    It ends with the calling thread at the latest. Raises ConfigError if the
    environment or the repository is invalid, EngineUnavailable if it does not become ready.
    """
    found = ServerEnvironment.find(environment)
    with tempfile.TemporaryDirectory(prefix="ssu-triton-") as workplace:
        server = InferenceServer(
            models,
            Path(workplace),
            environment=found,
            ports=ports or Ports.free(),
            mode=mode,
            log=log,
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()
