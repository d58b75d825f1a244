from __future__ import annotations

from pathlib import Path

import pytest

from ssuformer import repository
from ssuformer.contract import CAPTION, MODELS, SEGMENTATION
from ssuformer.errors import EngineMismatch, EngineUnavailable
from ssuformer.manifest import FILE_NAME, Manifest, digest

COMMITTED = Path("triton_repo")


def write_version(folder: Path, number: int, *models: str, weights: str = "5" * 64) -> None:
    """Write a version that looks whole; its graphs are a few bytes."""
    for model in models or MODELS:
        version = repository.version_folder(folder, model, number)
        version.mkdir(parents=True)
        graph = version / repository.MODEL
        graph.write_bytes(model.encode())
        digests = {repository.WEIGHTS: weights, repository.MODEL: digest(graph)}
        label = Manifest.read(COMMITTED / model / "1")
        label.model_copy(update={"digests": digests}).write(version)


def test_the_committed_repository_is_a_pair_of_the_committed_checkpoint() -> None:
    checkpoint = Path("training/checkpoints/small") / repository.WEIGHTS

    found = repository.open_repository(COMMITTED)

    assert found.version == 1
    assert found.segmentation == COMMITTED / SEGMENTATION / "1" / "model.onnx"
    assert found.digest == digest(checkpoint)
    assert set(repository.model_names(COMMITTED)) == set(MODELS)


def test_versions_are_numbers_that_both_models_have_and_the_newest_comes_first(
    tmp_path: Path,
) -> None:
    for number in (9, 10):
        write_version(tmp_path, number)
    write_version(tmp_path, 11, SEGMENTATION)
    staged = repository.staged_folder(tmp_path, CAPTION, 11)
    staged.mkdir()
    (staged / FILE_NAME).write_text("half a manif")

    assert repository.versions(tmp_path, repository.MODEL) == [10, 9]
    assert repository.open_repository(tmp_path).version == 10
    assert sorted(repository.read_manifests(tmp_path, SEGMENTATION)) == [9, 10, 11]
    assert sorted(repository.read_manifests(tmp_path, CAPTION)) == [9, 10]


def test_models_without_a_version_in_common_are_unavailable(tmp_path: Path) -> None:
    write_version(tmp_path, 1, SEGMENTATION)
    write_version(tmp_path, 2, CAPTION)

    with pytest.raises(EngineUnavailable, match="no version of both"):
        repository.open_repository(tmp_path)


def test_labels_of_other_weights_are_no_pair(tmp_path: Path) -> None:
    write_version(tmp_path, 1, SEGMENTATION)
    write_version(tmp_path, 1, CAPTION, weights="6" * 64)

    with pytest.raises(EngineMismatch, match=r"digest of model\.safetensors"):
        repository.read_labels(tmp_path)


def test_labels_of_one_export_each_are_no_pair(tmp_path: Path) -> None:
    write_version(tmp_path, 1)
    folder = repository.version_folder(tmp_path, CAPTION, 1)
    Manifest.read(folder).model_copy(update={"git_revision": "other"}).write(folder)

    with pytest.raises(EngineMismatch, match="git_revision"):
        repository.open_repository(tmp_path)


def test_a_file_that_was_changed_after_its_manifest_is_a_mismatch(tmp_path: Path) -> None:
    write_version(tmp_path, 1)
    with (repository.version_folder(tmp_path, CAPTION, 1) / repository.MODEL).open("ab") as file:
        file.write(b"more")

    with pytest.raises(EngineMismatch, match="manifest"):
        repository.open_repository(tmp_path)


def test_labels_can_be_read_where_no_model_is(tmp_path: Path) -> None:
    write_version(tmp_path, 3)
    for graph in tmp_path.rglob(repository.MODEL):
        graph.unlink()

    labels = repository.read_labels(tmp_path)

    assert (labels.version, labels.digest) == (3, "5" * 64)
    with pytest.raises(EngineUnavailable, match=r"model\.onnx"):
        repository.open_repository(tmp_path)


def test_the_repository_of_the_current_folder_goes_before_that_of_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = COMMITTED.resolve()
    monkeypatch.chdir(tmp_path)

    from_elsewhere = repository.default_repository()
    (tmp_path / "triton_repo").mkdir()

    assert from_elsewhere == checkout
    assert repository.default_repository() == Path("triton_repo")


def test_an_installed_package_has_a_repository_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "ssuformer"
    (package / "triton_repo").mkdir(parents=True)
    monkeypatch.setattr(repository, "__file__", str(package / "repository.py"))
    monkeypatch.chdir(tmp_path)

    assert repository.default_repository() == package / "triton_repo"
