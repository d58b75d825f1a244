"""What a person sees when something deliberate goes wrong, on any terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ssuformer.errors import ConfigError
from ssuformer.terminal import told


def test_an_error_is_told_as_it_is_written_brackets_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(typer.Exit) as ended, told():
        raise ConfigError("wrong [type=extra_forbidden, input_value=1] [/bold]")

    said = capsys.readouterr()
    assert ended.value.exit_code == 1
    assert "wrong [type=extra_forbidden, input_value=1] [/bold]" in said.err
    assert said.out == ""


def test_the_limit_and_the_actual_value_are_told_below(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), told():
        raise ConfigError("too many", limit=3, actual="[4]")

    said = capsys.readouterr().err.split()
    assert " ".join(said) == "config_invalid too many limit 3 actual [4]"


def test_an_error_that_is_a_fault_of_ours_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), told():
        _ = 1 / 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
@pytest.mark.parametrize(
    "command",
    [
        ["service.cli", "--help"],
        ["service.cli", "models", "--models", "nowhere-\u4e2d"],
        ["training", "--help"],
        ["training", "fit", "nowhere-\u4e2d.toml", "--out", "runs"],
        ["training", "pack", "show", "nowhere-\u4e2d"],
        ["model_export", "export", "nowhere-\u4e2d", "--out", "nowhere"],
        ["model_export", "variants", "nowhere-\u4e2d", "--out", "x", "--precision", "fp16",
         "--clips", "c.npz"],
    ],
)  # fmt: skip
def test_no_command_ends_in_a_traceback_where_output_is_not_unicode(
    command: list[str], encoding: str, tmp_path: Path
) -> None:
    environment = os.environ | {
        "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PYTHONPATH": str(Path.cwd()),
        "HOME": str(tmp_path),
    }  # fmt: skip

    ended = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, env=environment, check=False
    )

    said = (ended.stdout + ended.stderr).decode(encoding)
    assert "Traceback" not in said
    assert said.strip()
