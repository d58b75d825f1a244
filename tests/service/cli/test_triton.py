from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app, installation
from service.cli.diagnosis import examine
from service.cli.temporary_service import LOOPBACK, free_port
from ssuformer.manifest import Manifest
from tests.service.fake_triton import triton_settings, write_labels


def ssu(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "500"}).invoke(app, arguments)


def test_serve_names_what_is_missing_before_it_looks_for_the_server(tmp_path: Path) -> None:
    result = ssu("serve", "--triton", "127.0.0.1:8001", "--models", str(tmp_path))

    assert result.exit_code == 1
    assert "manifest.json" in result.output


def test_serve_refuses_an_address_without_a_port(tmp_path: Path) -> None:
    result = ssu("serve", "--triton", "triton", "--models", str(tmp_path))

    assert result.exit_code == 1
    assert "SSU_TRITON_ADDRESS is 'triton'" in result.output


def test_doctor_gives_the_command_that_starts_a_server_where_none_answers(tmp_path: Path) -> None:
    port = free_port()
    settings = triton_settings(write_labels(tmp_path), f"{LOOPBACK}:{port}")

    checks = {check.name: check for check in examine(settings, port=8000)}

    assert checks["triton"].verdict == "missing"
    assert checks["triton"].mend == f"ssu triton --models {tmp_path} --grpc-port {port}"


def test_doctor_asks_for_nothing_but_manifests_where_a_server_runs_the_models(
    tmp_path: Path,
) -> None:
    settings = triton_settings(write_labels(tmp_path), f"{LOOPBACK}:{free_port()}")

    checks = {check.name: check for check in examine(settings, port=8000)}

    assert checks["models"].verdict == "good"
    assert checks["engine"].verdict == "good"


def test_doctor_gives_the_command_that_installs_the_client(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(installation, "version_of", lambda _: None)
    settings = triton_settings(write_labels(tmp_path), f"{LOOPBACK}:{free_port()}")

    checks = {check.name: check for check in examine(settings, port=8000)}

    assert checks["engine"].mend == "pip install '.[triton]'"


@pytest.mark.parametrize("engine", ["onnx", "fake"])
def test_doctor_does_not_look_for_a_server_that_is_not_used(tmp_path: Path, engine: str) -> None:
    settings = triton_settings(write_labels(tmp_path), f"{LOOPBACK}:1")

    checks = examine(settings.model_copy(update={"engine": engine}), port=8000)

    assert "triton" not in {check.name for check in checks}


def test_manifests_from_different_weights_are_named(tmp_path: Path) -> None:
    folder = write_labels(tmp_path) / "ssu_caption" / "1"
    Manifest.read(folder).model_copy(update={"git_revision": "other"}).write(folder)
    settings = triton_settings(tmp_path, f"{LOOPBACK}:1")

    checks = {check.name: check for check in examine(settings, port=8000)}

    assert "git_revision" in checks["models"].found
    assert "git_revision" in checks["triton"].found


def test_serve_names_the_package_that_triton_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.cli.serve.find_spec", lambda _: None)

    result = ssu("serve", "--triton", "127.0.0.1:1", "--models", "triton_repo")

    assert result.exit_code == 1
    assert "pip install '.[triton]'" in result.output
    assert "Traceback" not in result.output
