"""What the launcher of a Triton server says before there is one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.triton_server.launcher import (
    ENVIRONMENT_VARIABLE,
    InferenceServer,
    Ports,
    ServerEnvironment,
    inference_server,
)
from ssuformer.errors import ConfigError, EngineUnavailable

SCRIPT = Path(__file__).parents[3] / "scripts" / "triton-environment"
FACTS = {"python": "3.11", "libpython": "libpython3.11.so.1.0", "numpy": "1.26.4"}


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of environments that say what they are told to say."""

    def make(**facts: str | None) -> Path:
        folder = tmp_path / "environment"
        told = {"packages": str(folder / "packages"), "libraries": "/lib", **FACTS, **facts}
        (folder / "packages/pytriton/tritonserver/python_backend_stubs/3.8").mkdir(parents=True)
        (folder / "bin").mkdir()
        python = folder / "bin" / "python"
        python.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
        python.chmod(0o755)
        return folder

    return make


def test_without_an_environment_the_command_that_makes_one_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"scripts/triton-environment$"),
        inference_server(Path("triton_repo"), environment=tmp_path / "nowhere"),
    ):
        pass


def test_a_python_that_lacks_the_server_is_told_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("#!/bin/sh\necho No package pytriton >&2\nexit 1\n")
    (tmp_path / "bin" / "python").chmod(0o755)

    with pytest.raises(ConfigError, match=r"No package pytriton.*scripts/triton-environment"):
        ServerEnvironment.find(tmp_path)


def test_the_environment_is_that_of_the_variable(
    environment: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = environment()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))

    assert ServerEnvironment.find().folder == folder


def test_numpy_2_is_refused_before_it_corrupts_what_is_read(
    environment: Callable[..., Path],
) -> None:
    with pytest.raises(ConfigError, match="numpy<2") as told:
        ServerEnvironment.find(environment(numpy="2.1.0"))

    assert (told.value.limit, told.value.actual) == ("<2", "2.1.0")


def test_a_python_without_its_shared_library_is_refused(environment: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match=r"apt-get install libpython3\.11"):
        ServerEnvironment.find(environment(libpython=None))


def test_a_python_that_the_server_has_no_backend_for_is_refused(
    environment: Callable[..., Path], tmp_path: Path
) -> None:
    found = ServerEnvironment.find(environment(python="3.14"))

    with pytest.raises(ConfigError, match=r"Python 3\.14; it has: 3\.8"):
        found.write_backends(tmp_path / "backends")


def test_the_server_does_not_inherit_the_packages_of_this_python(
    environment: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/numpy2")
    monkeypatch.setenv("PYTHONHOME", "/python")
    folder = environment()

    variables = ServerEnvironment.find(folder).variables()

    assert not {"PYTHONPATH", "PYTHONHOME"} & variables.keys()
    assert variables["PATH"].split(os.pathsep)[0] == str(folder / "bin")
    assert variables["LD_LIBRARY_PATH"].split(os.pathsep)[-1] == "/lib"


def test_a_folder_without_models_is_no_repository(
    environment: Callable[..., Path], tmp_path: Path
) -> None:
    found = ServerEnvironment.find(environment())

    with pytest.raises(ConfigError, match="contains no"):
        InferenceServer(tmp_path, tmp_path, environment=found, ports=Ports.free())


def test_ports_that_were_asked_for_are_kept_and_the_others_are_free() -> None:
    ports = Ports.free(grpc=8001)

    assert ports.grpc == 8001
    assert ports.http != ports.metrics
    for port in (ports.http, ports.metrics):
        with closing(socket.create_server(("127.0.0.1", port))):
            pass


def test_a_port_that_somebody_listens_on_is_refused_before_a_server_starts(
    environment: Callable[..., Path], tmp_path: Path
) -> None:
    found = ServerEnvironment.find(environment(python="3.8"))
    packages = found.server / "backends" / "python"
    packages.mkdir(parents=True)
    (found.server / "python_backend_stubs/3.8/triton_python_backend_stub").touch()

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        server = InferenceServer(
            Path("triton_repo"), tmp_path, environment=found, ports=Ports.free(grpc=port)
        )
        with pytest.raises(EngineUnavailable, match=f"port {port}"):
            server.start()

    with pytest.raises(EngineUnavailable, match="not running"):
        _ = server.process


def test_ssu_triton_explains_itself_with_examples() -> None:
    result = CliRunner(env={"COLUMNS": "120"}).invoke(app, ["triton", "--help"])

    assert result.exit_code == 0
    assert "Examples" in result.output
    assert "scripts/triton-environment && ssu triton" in result.output


def test_ssu_triton_ends_with_one_and_the_remedy_where_there_is_no_server(tmp_path: Path) -> None:
    result = CliRunner(env={"COLUMNS": "120"}).invoke(
        app, ["triton", "--environment", str(tmp_path)]
    )

    assert result.exit_code == 1
    assert "config_invalid" in result.stderr
    assert "scripts/triton-environment" in result.stderr


def run_script(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments],
        env={**os.environ, **variables},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_explains_itself_and_knows_no_options() -> None:
    helped, refused = run_script("--help"), run_script("--fast")

    assert (helped.returncode, refused.returncode) == (0, 1)
    assert "SSU_TRITON_ENVIRONMENT=" in helped.stdout
    assert "--fast" in refused.stderr


def test_the_script_leaves_an_environment_alone_that_is_there(tmp_path: Path) -> None:
    (tmp_path / ".installed").touch()

    result = run_script(SSU_TRITON_ENVIRONMENT=str(tmp_path), PYTHON="/nowhere/python")

    assert result.returncode == 0
    assert str(tmp_path) in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".installed"]


def test_the_script_says_that_python_has_no_shared_library(tmp_path: Path) -> None:
    static = tmp_path / "python-static"
    static.write_text("#!/bin/sh\nexit 1\n")
    static.chmod(0o755)

    result = run_script(SSU_TRITON_ENVIRONMENT=str(tmp_path / "new"), PYTHON=str(static))

    assert result.returncode == 1
    assert "libpython" in result.stderr
